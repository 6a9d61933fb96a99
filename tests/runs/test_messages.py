"""Every way a table can be wrong, and the exact sentence that says so."""

from __future__ import annotations

import codecs
from pathlib import Path

import pytest

from isoglot.core.errors import InputError, RunTableError
from isoglot.runs import check_runs, read_runs

HEAD = "run,params,tokens,loss\n"
GOOD = "a,1e8,1e9,3.1\n"

# name of the case -> (file name, content, arguments, sentence)
BAD_FILES: dict[str, tuple[str, str | bytes, dict[str, object], str]] = {
    "empty": ("t.csv", "", {}, "t.csv is empty"),
    "only newlines": ("t.csv", "\n\n", {}, "t.csv is empty"),
    "header only": ("t.csv", HEAD, {}, "t.csv has a header but no rows"),
    "grouped digits": (
        "t.csv",
        HEAD + 'a,"1,000",1e9,3.1\n',
        {},
        "t.csv, row 1 (line 2), column 'params': '1,000' is not a number; write 1000 without separators",
    ),
    "number with its unit": (
        "t.csv",
        HEAD + GOOD + "b,1e8,1e9 tokens,3.1\n",
        {},
        "t.csv, row 2 (line 3), column 'tokens': '1e9 tokens' is not a number; write 1e9 alone",
    ),
    "scale letter": (
        "t.csv",
        HEAD + "a,1.5B,1e9,3.1\n",
        {},
        "t.csv, row 1 (line 2), column 'params': '1.5B' is not a number; write 1.5e9",
    ),
    "decimal comma": (
        "t.tsv",
        HEAD.replace(",", "\t") + "a\t1e8\t1e9\t3,1\n",
        {},
        "t.tsv, row 1 (line 2), column 'loss': '3,1' is not a number; write a decimal point",
    ),
    "word for missing": (
        "t.csv",
        HEAD + "a,1e8,1e9,N/A\n",
        {},
        "t.csv, row 1 (line 2), column 'loss': 'N/A' is not a number; "
        "leave the cell empty where a value is missing",
    ),
    "text": (
        "t.csv",
        HEAD + "a,1e8,1e9,diverged\n",
        {},
        "t.csv, row 1 (line 2), column 'loss': 'diverged' is not a number; write digits such as 1000 or 1e9",
    ),
    "nan": (
        "t.csv",
        HEAD + "a,nan,1e9,3.1\n",
        {},
        "t.csv, row 1 (line 2), column 'params': NaN is no value; leave the cell empty where a value is "
        "missing",
    ),
    "infinite": (
        "t.csv",
        HEAD + "a,1e8,1e9,inf\n",
        {},
        "t.csv, row 1 (line 2), column 'loss': inf is not finite",
    ),
    "negative loss": (
        "t.csv",
        HEAD + "a,1e8,1e9,-0.5\n",
        {},
        "t.csv, row 1 (line 2), column 'loss': -0.5 must be above 0",
    ),
    "negative loss in a known unit": (
        "t.csv",
        HEAD + "a,1e8,1e9,-0.5\n",
        {"loss_unit": "bits/byte"},
        "t.csv, row 1 (line 2), column 'loss': -0.5 must be above 0",
    ),
    "negative loss in a known unit beside an own one": (
        "t.csv",
        "params,tokens,loss,loss_unit\n1e8,1e9,-0.5,reward\n1e8,2e9,2.5,nats_per_token\n",
        {},
        "t.csv, row 1 (line 2), column 'loss': -0.5 must be above 0",
    ),
    "loss without a number in a unit of its own": (
        "t.csv",
        HEAD + "a,1e8,1e9,-inf\n",
        {"loss_unit": "reward"},
        "t.csv, row 1 (line 2), column 'loss': -inf is not finite",
    ),
    "zero tokens in a unit of its own": (
        "t.csv",
        HEAD + "a,1e8,0,-0.5\n",
        {"loss_unit": "reward"},
        "t.csv, row 1 (line 2), column 'tokens': 0 must be above 0",
    ),
    "no tokens": (
        "t.csv",
        HEAD + "a,1e8,0,3.1\n",
        {},
        "t.csv, row 1 (line 2), column 'tokens': 0 must be above 0",
    ),
    "missing value": (
        "t.csv",
        HEAD + "a,1e8,1e9,\n",
        {},
        "t.csv, row 1 (line 2), column 'loss': empty; every row needs a value",
    ),
    "several problems": (
        "t.csv",
        HEAD + "a,-1,x,3.1\nb,1e8,0,3\n",
        {},
        "t.csv, row 1 (line 2), column 'params': -1 must be above 0 "
        "(and 2 more problems; run `isoglot runs check t.csv`)",
    ),
    "misspelt column": (
        "t.csv",
        "run,params,tokns,loss\na,1e8,1e9,3.1\n",
        {},
        "t.csv has no column 'tokens' (did you mean tokns?); "
        "map one with columns={'tokens': '<source column of tokens>'}",
    ),
    "column under another name": (
        "t.csv",
        "run,params_total,tokens,loss\na,1e8,1e9,3.1\n",
        {},
        "t.csv has no column 'params' (did you mean params_total?); "
        "map one with columns={'params': 'params_total'}",
    ),
    "mapped column absent": (
        "t.csv",
        "run,params_total,tokens,loss\na,1e8,1e9,3.1\n",
        {"columns": {"params": "params_totl"}},
        "t.csv has no column 'params_totl' (did you mean params_total?), which columns= maps to 'params'; "
        "its columns are run, params_total, tokens, loss (and 1 more problem; run `isoglot runs check "
        "t.csv`)",
    ),
    "wildcard without match": (
        "t.csv",
        HEAD + GOOD,
        {"columns": {"share.*": "weight_*"}},
        "t.csv has no column matching 'weight_*', which columns= maps to 'share.*'; "
        "its columns are run, params, tokens, loss",
    ),
    "share above one": (
        "t.csv",
        "params,tokens,loss,share.eng\n1e8,1e9,3.1,1.5\n",
        {},
        "t.csv, row 1 (line 2), column 'share.eng': 1.5 must be 1 or less",
    ),
    "share sum": (
        "t.csv",
        "params,tokens,loss,share.eng,share.fra\n1e8,1e9,3.1,0.5,0.4\n",
        {},
        "t.csv, row 1 (line 2), column 'share.eng and 1 more': the shares sum to 0.9, not 1",
    ),
    "own shares above one": (
        "t.csv",
        "run,params,tokens,loss,language,share\na,1e8,1e9,3.1,fr,0.8\na,1e8,1e9,3.0,de,0.4\n",
        {},
        "t.csv, row 1 (line 2), column 'share': the shares of the run's rows sum to 1.2, above 1",
    ),
    "own share contradicts": (
        "t.csv",
        "params,tokens,loss,language,share,share.fra,share.deu\n1e8,1e9,3.1,fr,0.8,0.5,0.5\n",
        {},
        "t.csv, row 1 (line 2): column 'share' gives 0.8 for fra, but 'share.fra' gives 0.5",
    ),
    "two spellings of a language": (
        "t.csv",
        "params,tokens,loss,share.fr,share.fra\n1e8,1e9,3.1,0.5,0.5\n",
        {},
        "t.csv, row 1 (line 2): columns 'share.fr' ('0.5') and 'share.fra' ('0.5') are both read as "
        "'share.fra'; "
        "map one of them",
    ),
    "mixed units": (
        "t.csv",
        "params,tokens,loss,loss_unit\n1e8,1e9,3.1,nats_per_token\n1e8,2e9,0.9,bits_per_byte\n",
        {},
        "t.csv, row 2 (line 3), column 'loss_unit': 'bits_per_byte' where row 1 has 'nats_per_token'; "
        "a table has one loss_unit, so pass loss_unit= to convert them to one unit",
    ),
    "units without bytes per token": (
        "t.csv",
        "params,tokens,loss,loss_unit\n1e8,1e9,3.1,nats_per_token\n1e8,2e9,0.9,bits_per_byte\n",
        {"loss_unit": "bits_per_byte"},
        "t.csv, row 1 (line 2), column 'loss_unit': 'nats_per_token' does not convert to bits_per_byte "
        "without "
        "bytes_per_token, and only between nats_per_token, bits_per_token, nats_per_byte, bits_per_byte",
    ),
    "mixed conventions": (
        "t.csv",
        "params,tokens,loss,params_convention\n1e8,1e9,3.1,total\n1e8,2e9,3,non_embedding\n",
        {},
        "t.csv, row 2 (line 3), column 'params_convention': 'non_embedding' where row 1 has 'total'; "
        "a table has one params_convention, so split it, or map one column that counts alike",
    ),
    "duplicated row": (
        "t.csv",
        HEAD + GOOD + GOOD,
        {},
        "t.csv, row 2 (line 3): repeats row 1 (run 'a', 1e+09 tokens, language und, loss 3.1); "
        "pass duplicates='drop' or 'keep' if that is meant",
    ),
    "conflict": (
        "t.csv",
        HEAD + GOOD + "a,1e8,1e9,3.2\n",
        {},
        "t.csv, row 2 (line 3): loss 3.2 contradicts 3.1 of row 1 (run 'a', 1e+09 tokens, language und); "
        "pass duplicates='drop' or 'keep' if that is meant",
    ),
    "flops contradict": (
        "t.csv",
        "params,tokens,loss,flops\n1e8,1e9,3.1,6e18\n",
        {},
        "t.csv, row 1 (line 2): column 'flops' gives 6e+18 FLOPs, but 6 * params * tokens is 6e+17, a "
        "factor of 10 "
        "away; correct one of them, or keep the column under another name",
    ),
    "params below a part": (
        "t.csv",
        "params,tokens,loss,params_non_embedding\n1e8,1e9,3.1,2e8\n",
        {},
        "t.csv, row 1 (line 2): column 'params' gives 100000000 parameters, fewer than the 200000000 of "
        "column "
        "'params_non_embedding'",
    ),
    "too few languages": (
        "t.csv",
        "params,tokens,loss,num_languages,share.eng,share.fra\n1e8,1e9,3.1,1,0.5,0.5\n",
        {},
        "t.csv, row 1 (line 2): column 'num_languages' gives 1 languages, but 2 shares are above 0",
    ),
    "run in two clusters": (
        "t.csv",
        "run,cluster,params,tokens,loss\na,x,1e8,1e9,3.1\na,y,1e8,2e9,3\n",
        {},
        "t.csv, row 2 (line 3): column 'cluster' puts run 'a' in cluster 'y', but an earlier row in 'x'; "
        "a run belongs to one cluster",
    ),
    "wide and long": (
        "t.csv",
        "params,tokens,loss,loss.eng\n1e8,1e9,3.1,3.1\n",
        {},
        "t.csv has a column 'loss' read as 'loss', which speaks of one language a row, beside one loss "
        "column a "
        "language; map either the one or the other",
    ),
    "too many cells": (
        "t.csv",
        HEAD + GOOD + "\n" + "a,1e8,1e9,3.1,7\n",
        {},
        "t.csv, row 2 (line 4): 5 cells where the header has 4; check for a missing, extra or unquoted comma",
    ),
    "duplicate header": (
        "t.csv",
        "params,tokens,loss,tokens\n1e8,1e9,3.1,1e9\n",
        {},
        "t.csv names column 'tokens' twice (columns 2 and 4); rename one of them",
    ),
    "semicolons": (
        "t.csv",
        "params;tokens;loss\n1e8;1e9;3.1\n",
        {},
        "t.csv separates its columns by semicolons, not commas; save it with commas",
    ),
    "stray quote": (
        "t.csv",
        HEAD + 'a "b" c,1e8,1e9,3.1\n',
        {},
        "t.csv, line 2: a quotation mark does not enclose a whole cell; quote the cell and double the "
        "mark inside it",
    ),
    "mixed line ends": (
        "t.csv",
        HEAD + "a,1e8,1e9,3.1\rb,1e8,1e9,3.1\n",
        {},
        "t.csv, line 2: a carriage return without a line feed ends no line; save it with one kind of "
        "line end",
    ),
    "family without a language": (
        "t.csv",
        "params,tokens,loss,share.\n1e8,1e9,3.1,1\n",
        {},
        "t.csv has a column 'share.' that names no language; rename it",
    ),
    "latin-1": (
        "t.csv",
        b"run,params,tokens,loss\n\xe9t\xe9,1e8,1e9,3.1\n",
        {},
        "t.csv is not UTF-8: byte 0xe9 at offset 23 begins no character; save it as UTF-8",
    ),
    "utf-16": (
        "t.csv",
        codecs.BOM_UTF16_LE + HEAD.encode("utf-16-le"),
        {},
        "t.csv is encoded in UTF-16, not UTF-8; save it as UTF-8",
    ),
    "binary": ("t.csv", b"a,b\n1,\x00\x01\n", {}, "t.csv is not text: it has a zero byte at offset 6"),
    "broken json line": (
        "t.jsonl",
        '{"params": 1e8, "tokens": 1e9, "loss": 3.1}\n{"params": 1e8,\n',
        {},
        "t.jsonl, line 2: not a JSON value (Expecting property name enclosed in double quotes at "
        "character 16)",
    ),
    "json array": (
        "t.jsonl",
        "[1, 2]\n",
        {},
        "t.jsonl, line 1: a JSON list where an object of columns is expected",
    ),
    "json key twice": (
        "t.jsonl",
        '{"loss": 1, "loss": 2}\n',
        {},
        "t.jsonl, line 1: the key 'loss' occurs twice",
    ),
    "not parquet": (
        "t.parquet",
        HEAD + GOOD,
        {},
        "t.parquet is not a Parquet file (it does not begin and end with PAR1)",
    ),
    "not arrow": ("t.arrow", HEAD + GOOD, {}, "t.arrow is not an Arrow file (it does not begin with ARROW1)"),
    "parquet named csv": ("t.csv", b"PAR1....PAR1", {}, "t.csv is named '.csv' but is a Parquet file"),
    "gzip": (
        "t.csv",
        b"\x1f\x8b\x08\x00",
        {},
        "t.csv is named '.csv' but is compressed with gzip and must be decompressed first",
    ),
    "extension": (
        "t.cvs",
        HEAD,
        {},
        "t.cvs has the extension '.cvs' (did you mean .csv?), but a run table is one of "
        ".csv, .tsv, .jsonl, .ndjson, .parquet, .arrow, .feather, .ipc",
    ),
    "nothing selected": (
        "t.csv",
        HEAD + GOOD,
        {"where": {"run": "b"}},
        "t.csv has no row with run = b",
    ),
    "too large": (
        "t.csv",
        HEAD + GOOD * 10,
        {"max_cells": 20},
        "t.csv declares 10 rows of 4 columns, 40 cells, above the limit of 20; pass max_cells=40 if "
        "that is meant",
    ),
    "label": (
        "t.csv",
        "params,tokens,loss,language\n1e8,1e9,3.1,Norwegian\n",
        {},
        "t.csv, row 1 (line 2), column 'language': language 'Norwegian' is ambiguous: "
        "write nob (Norwegian Bokmål) or nno (Norwegian Nynorsk)",
    ),
    "learning-rate phase": (
        "t.csv",
        "params,tokens,loss,lr_phase\n1e8,1e9,3.1,cooldown\n",
        {},
        "t.csv, row 1 (line 2), column 'lr_phase': 'cooldown' is not one of warmup, stable, decayed",
    ),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_sentence(case: str, tmp_path: Path) -> None:
    name, content, arguments, sentence = BAD_FILES[case]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(RunTableError) as caught:
        read_runs(path, name=name, **arguments)  # type: ignore[arg-type]
    assert str(caught.value) == sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("content", "arguments", "losses"),
    [
        (HEAD + "a,1e8,1e9,-0.5\nb,1e8,2e9,0\nc,1e8,3e9,1.5\n", {"loss_unit": "reward"}, [-0.5, 0.0, 1.5]),
        ("params,tokens,loss,loss_unit\n1e8,1e9,-0.5,reward\n1e8,2e9,2.5,reward\n", {}, [-0.5, 2.5]),
        ("params,tokens,loss.eng,loss.fra\n1e8,1e9,-0.5,-2\n", {"loss_unit": "unigram nats"}, [-0.5, -2.0]),
    ],
)
def test_losses_of_either_sign_in_a_unit_of_their_own(
    content: str, arguments: dict[str, str], losses: list[float], tmp_path: Path
) -> None:
    (tmp_path / "t.csv").write_text(content)
    runs = read_runs(tmp_path / "t.csv", **arguments)  # type: ignore[arg-type]
    assert runs.frame["loss"].to_list() == losses
    runs.write(tmp_path / "again.csv")
    again = read_runs(tmp_path / "again.csv")
    assert again.frame["loss"].to_list() == losses and again.loss_unit == runs.loss_unit


BAD_ARGUMENTS: dict[str, tuple[dict[str, object], str]] = {
    "columns": (
        {"columns": {"parms": "params"}},
        "columns= names 'parms', which is no column of the run table (did you mean params?)",
    ),
    "wildcard": (
        {"columns": {"share.*": "weight"}},
        "columns= maps 'share.*' to 'weight', but a wildcard maps a family such as 'share.*' to a "
        "pattern with one *, "
        "such as 'weight_*'",
    ),
    "duplicates": (
        {"duplicates": "dorp"},
        "duplicates= is 'dorp' (did you mean drop?), but must be one of refuse, drop, keep",
    ),
    "params_convention": (
        {"params_convention": "totals"},
        "params_convention= is 'totals' (did you mean total?), but must be one of total, non_embedding, "
        "unknown",
    ),
    "where": (
        {"where": {"prams": 1}},
        "where= names column 'prams', which the table does not have (did you mean params?)",
    ),
    "groups": (
        {"groups": "families"},
        "groups= is 'families' (did you mean family?), but must be a mapping from language to group or "
        "one of family, "
        "branch, script",
    ),
    "groups of absent languages": (
        {"groups": {"fra": "Romance"}},
        "groups= names language 'fra', which the table does not have",
    ),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_argument_sentence(case: str) -> None:
    arguments, sentence = BAD_ARGUMENTS[case]
    with pytest.raises(InputError) as caught:
        read_runs({"params": [1e8], "tokens": [1e9], "loss": [3.1]}, **arguments)  # type: ignore[arg-type]
    assert str(caught.value) == sentence


def test_paths(tmp_path: Path) -> None:
    (tmp_path / "runs.csv").write_text(HEAD + GOOD)
    with pytest.raises(RunTableError, match=r"^x does not exist \(did you mean runs\.csv\?\)$"):
        read_runs(tmp_path / "run.csv", name="x")
    with pytest.raises(
        RunTableError, match=r"^x is a folder without runs\.parquet; name one file of it, or make"
    ):
        read_runs(tmp_path, name="x")
    with pytest.raises(InputError, match="not int"):
        read_runs(3)


def test_every_problem_is_listed_and_long_series_are_counted() -> None:
    rows = 250
    table = {"params": ["x"] * rows, "tokens": [1e9] * rows, "loss": [3.0] * (rows - 1) + [-1.0]}
    report = check_runs(table)
    assert report.runs is None
    assert report.num_problems == rows + 1
    assert [problem.code for problem in report.problems].count("not_a_number") == 101
    assert report.problems[100].message == (
        "the table, column 'params': 150 further rows have the problem of row 1"
    )
    assert (report.problems[-1].row, report.problems[-1].column) == (250, "loss")
