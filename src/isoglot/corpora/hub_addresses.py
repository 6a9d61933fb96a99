"""Where each corpus of the Hugging Face hub keeps a language, and the languages that it spells in its own way.

Every corpus has one template for its addresses and a table of exceptions; both are data, tested against a table of
known addresses. `verified` says that the template is documented by the corpus itself, `named` that the corpus' whole list of
names was compared: every macrolanguage has then an address in it, or a reason. Of the others (`named` is False) the
exceptions are partly from memory. The hub is asked when a corpus is opened, and an address that does not exist is
refused with the nearest ones.

Sources: the dataset cards, and FineWeb2 (arXiv 2506.20920), FineWeb2-HQ (2502.10361), MADLAD-400 (2309.04662),
CulturaX (2309.09400), HPLT v2 (2503.10267).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from isoglot.core.errors import InputError, nearest
from isoglot.core.languages import label, language_and_script, languages


@dataclass(frozen=True)
class Address:
    """Where one language lies: a config of a repository, or a pattern of files in it (one of the two is None)."""

    repository: str
    config: str | None
    files: str | None


@dataclass(frozen=True)
class HubCorpus:
    """One corpus of the hub.

    `spelling` is how it writes a language: `iso3_script` (`fra_Latn`) or `tag` (`fr`). `joint` joins a tag and a
    script that is not the language's default one (`bg-Latn`), None where there are no such parts. `exceptions` maps
    labels to codes of its own; `absent` maps labels to the reason why there is no address. `template` holds `{code}`
    and names a config, or, with `kind="files"`, files in the repository, then read by `builder`.
    """

    name: str
    summary: str
    repository: str
    template: str
    spelling: Literal["iso3_script", "tag"]
    size: str
    licence: str
    joint: str | None = None
    kind: Literal["config", "files"] = "config"
    builder: Literal["json", "parquet"] = "parquet"
    split: str = "train"
    text: str = "text"
    document: str | None = None
    gated: bool = False
    verified: bool = True
    named: bool = False
    escaped_newlines: bool = False
    only: tuple[str, ...] | None = None
    exceptions: Mapping[str, str] = field(default_factory=dict)
    absent: Mapping[str, str] = field(default_factory=dict)

    def languages(self) -> tuple[str, ...]:
        """Return the labels that have an address; the hub may hold fewer of them, and languages beyond the table."""
        if self.only is not None:
            return self.only
        return tuple(language.code for language in languages() if language.code not in self.absent)


_BOTH_SCRIPTS = "cmn_Hani holds both scripts: ask for zho"
_NONE = "it has none"
_FINEWEB_2_HQ = (
    "rus zho deu spa jpn fra ita por pol nld ind tur ces vie swe pes arb ell dan hun".split()  # 20 subsets
)
# Languages that a corpus does not hold under any name, by its list.
_NOT_IN_MC4 = (
    "abk ace acm acq ady aeb ajp aka apc arg arn ars ary arz asm ast ava awa ayr azb bak bam ban bcl bem bho bis bjn bod bos "
    "bre brx bug bxr che chr chv cjk ckb cor crh dik diq div doi dsb dyu dzo efi ewe fao fij fon frr fur fuv gan gaz glk glv "
    "gom grn gsw hak hil hne hrv hsb iba ibb iku ilo ina inh kaa kab kac kal kam kas kbd kbp kea kha kik kin kmb knc kon kpv "
    "krc kri kum lad lez lij lim lin lmo ltg lua lub lug luo lus mad mag mai mdf mfe mhr min mni mos myv mzn nan nav nde nds "
    "nno nso nus nyn oci ory oss pag pam pap pcm pnb prs quy roh rom run sag sah san sat scn sco shn skr sme srd srn ssw suk "
    "szl tah taq tat tcy tet tir tiv ton tpi tsn tso tuk tum twi tyv tzm udm uig umb vec ven vep war wln wol wuu xal yue"
).split()
_NOT_IN_WIKIPEDIA = (
    "acm acq aeb ajp apc arn ars bem brx cjk doi dyu efi hil hne iba ibb kac kam kea kha kmb knc kri kum lua lub luo lus mag "
    "mfe mos mww nde nus nyn suk taq tiv tzm umb"
).split()

HUB: Mapping[str, HubCorpus] = {
    corpus.name: corpus
    for corpus in (
        HubCorpus(
            name="fineweb-2",
            summary="web text in more than 1,000 languages, one filtering pipeline adapted to each; no English",
            repository="HuggingFaceFW/fineweb-2",
            template="{code}",
            spelling="iso3_script",
            size="about 8 TB compressed",
            licence="ODC-By 1.0",
            document="id",
            named=True,
            exceptions={
                "zho": "cmn_Hani",
                "pes": "fas_Arab",
                "est": "ekk_Latn",
                "tgl": "fil_Latn",
                "grn": "gug_Latn",
                "iku": "ike_Cans",
                "yue": "yue_Hani",
                "hak": "hak_Hani",
                "wuu": "wuu_Hani",
            },
            absent={
                "eng": "it has no English: use fineweb",
                "zho_Hant": _BOTH_SCRIPTS,
                "prs": "fas_Arab holds all Persian: ask for pes",
                "ajp": "apc_Arab holds all Levantine Arabic: ask for apc",
                "aka": "it has Twi and Fante apart: ask for twi, or give the option config=fat_Latn",
                "kon": "it has the languages of Kongo apart: give the option config=kng_Latn, kwy_Latn or ldi_Latn",
                "rom": "it has the languages of Romani apart: give the option config=rmy_Latn, or another",
                "nan": "it has Min Nan in Latin letters alone: ask for nan_Latn",
                "acq": _NONE,
                "gan": _NONE,
                "ibb": _NONE,
            },
        ),
        HubCorpus(
            name="fineweb",
            summary="English web text, the companion of fineweb-2; its sample of 10 billion tokens",
            repository="HuggingFaceFW/fineweb",
            template="{code}",
            spelling="tag",
            size="10 billion tokens in the sample, 15 trillion in all (option config=default)",
            licence="ODC-By 1.0",
            document="id",
            verified=False,
            only=("eng",),
            exceptions={"eng": "sample-10BT"},
        ),
        HubCorpus(
            name="fineweb2-hq",
            summary="the tenth of fineweb-2 that a quality classifier prefers, in 20 languages",
            repository="epfml/FineWeb2-HQ",
            template="{code}",
            spelling="iso3_script",
            size="20 languages",
            licence="ODC-By 1.0",
            document="id",
            named=True,
            only=tuple(_FINEWEB_2_HQ),
            exceptions={"zho": "cmn_Hani", "pes": "fas_Arab"},
            absent={"eng": "it has no English: use fineweb", "zho_Hant": _BOTH_SCRIPTS},
        ),
        HubCorpus(
            name="madlad-400",
            summary="audited web text in 419 languages, the corpus of ATLAS; the clean part",
            repository="allenai/MADLAD-400",
            template="data/{code}/{code}_clean_*.jsonl.gz",
            spelling="tag",
            size="3 trillion tokens",
            licence="ODC-By 1.0 (CC BY 4.0 on another page)",
            joint="_",
            kind="files",
            builder="json",
            verified=False,
            escaped_newlines=True,
            exceptions={
                "nob": "no",
                "tgl": "fil",
                "bcl": "bik",
                "diq": "zza",
                "kpv": "kv",
                "mhr": "chm",
                "mww": "hmn",
            },
        ),
        HubCorpus(
            name="mc4",
            summary="web text in 108 languages, from the Common Crawl up to 2020; English is C4",
            repository="allenai/c4",
            template="{code}",
            spelling="tag",
            size="113 subsets",
            licence="ODC-By 1.0",
            joint="-",
            named=True,
            exceptions={"heb": "iw", "nob": "no", "tgl": "fil", "mww": "hmn"},
            absent=dict.fromkeys(_NOT_IN_MC4, _NONE),
        ),
        HubCorpus(
            name="culturax",
            summary="mC4 and OSCAR, cleaned and without duplicates, in 167 languages; behind terms of use",
            repository="uonlp/CulturaX",
            template="{code}",
            spelling="tag",
            size="6.3 trillion tokens",
            licence="terms of mC4 and OSCAR",
            gated=True,
            exceptions={"nob": "no", "gsw": "als"},
        ),
        HubCorpus(
            name="hplt-2",
            summary="web text of the Internet Archive and Common Crawl in 193 languages, cleaned",
            repository="HPLT/HPLT2.0_cleaned",
            # Large languages are split (eng_Latn_10 ... eng_Latn_109, ara_Arab_2, ell_Grek_2), so all are addressed by files.
            template="{code}*/train-*.parquet",
            spelling="iso3_script",
            size="8 trillion tokens",
            licence="CC0 1.0",
            kind="files",
            document="id",
            exceptions={"arb": "ara_Arab"},
        ),
        HubCorpus(
            name="wikipedia",
            summary="the articles of about 322 Wikipedias, dump of 1 November 2023",
            repository="wikimedia/wikipedia",
            template="20231101.{code}",
            spelling="tag",
            size="322 languages",
            licence="CC BY-SA 3.0 and GFDL",
            document="id",
            named=True,
            exceptions={
                "nob": "no",
                "gsw": "als",
                "nan": "zh-min-nan",
                "yue": "zh-yue",
                "rom": "rmy",
                "bho": "bh",
                "dik": "din",
            },
            absent={
                "zho_Hant": "zh holds both scripts: ask for zho",
                "prs": "fa holds all Persian: ask for pes",
                "aka": "it has Twi and Fante apart: ask for twi, or give the option config=20231101.fat",
                **dict.fromkeys(_NOT_IN_WIKIPEDIA, _NONE),
            },
        ),
    )
}


def address(corpus: HubCorpus, language: str) -> Address:
    """Return where a corpus keeps a language.

    Raises LanguageError for a spelling that names no language (naming the nearest) or several, InputError for a
    language or a script that the corpus has no address for.

    >>> address(HUB["fineweb-2"], "French").config, address(HUB["mc4"], "bg-Latn").config
    ('fra_Latn', 'bg-Latn')
    >>> address(HUB["madlad-400"], "fr").files
    'data/fr/fr_clean_*.jsonl.gz'
    """
    found, script = language_and_script(language)
    named = label(language)
    if named in corpus.absent:
        raise InputError(f"{corpus.name} has no address for {language!r}: {corpus.absent[named]}")
    if corpus.only is not None and named not in corpus.only:
        raise InputError(
            f"{corpus.name} has no {named!r}{nearest(named, corpus.only)}: its languages are "
            f"{', '.join(corpus.only)}"
        )
    if named in corpus.exceptions:
        code = corpus.exceptions[named]
    elif corpus.spelling == "iso3_script":
        code = f"{found.code}_{script}"
    elif script == found.script:
        code = found.tag
    elif corpus.joint is not None:
        code = f"{corpus.exceptions.get(found.code, found.tag)}{corpus.joint}{script}"
    else:
        raise InputError(
            f"{corpus.name} does not tell the scripts of {found.name} apart: ask for {found.code} instead of "
            f"{language!r}"
        )
    filled = corpus.template.format(code=code)
    if corpus.kind == "files":
        return Address(corpus.repository, None, filled)
    return Address(corpus.repository, filled, None)
