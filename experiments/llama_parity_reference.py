"""Loads exports with transformers and compares logits and token ids with ours; prints JSON. Run by its own Python.

llama_parity_reference.py FOLDER    one folder a case: export/, logits.npz (tokens, logits), texts.json
"""

import json
import sys
from pathlib import Path

import numpy as np
import torch
import transformers
from transformers import AutoModelForCausalLM, AutoTokenizer


def compared(case):
    """Largest differences of one case."""
    model, loading = AutoModelForCausalLM.from_pretrained(case / "export", output_loading_info=True)
    model.eval()
    kept = np.load(case / "logits.npz")
    found = {"class": type(model).__name__, "parameters": sum(p.numel() for p in model.parameters())}
    found["keys_amiss"] = sum(len(names) for names in loading.values())
    for kind in ("random", "text"):
        with torch.no_grad():
            theirs = model(torch.from_numpy(kept[f"{kind}_tokens"]).long()).logits.numpy()
        ours = kept[f"{kind}_logits"]
        found[kind] = {
            "positions": int(np.prod(theirs.shape[:2])),
            "largest_difference": float(np.abs(theirs - ours).max()),
            "logit_sd": float(ours.std()),
        }
    texts = json.loads((case / "texts.json").read_text())
    tokenizer = AutoTokenizer.from_pretrained(case / "export")
    found["tokenizer"] = type(tokenizer).__name__
    found["texts"] = len(texts)
    found["texts_with_other_ids"] = sum(tokenizer(one["text"])["input_ids"] != one["ids"] for one in texts)
    found["texts_not_given_back"] = sum(tokenizer.decode(one["ids"]) != one["text"] for one in texts)
    found["end_ids_agree"] = bool(tokenizer.eos_token_id == model.config.eos_token_id == texts[0]["end"])
    return found


def main():
    """Compare every case."""
    torch.set_num_threads(2)
    cases = {case.name: compared(case) for case in sorted(Path(sys.argv[1]).iterdir())}
    versions = {"torch": torch.__version__.split("+")[0], "transformers": transformers.__version__}
    print(json.dumps({"versions": versions, "cases": cases}))


if __name__ == "__main__":
    main()
