"""Tokenizers as other projects train them, by the trainers of Hugging Face's own library, on ten scripts."""

from __future__ import annotations

import json
from collections.abc import Iterable

from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

SCRIPTS = {
    "eng": ["The river is high this week.", "Nobody crosses it on foot."],
    "rus": ["Река на этой неделе высока.", "Никто не переходит её вброд."],
    "arb": ["النهر مرتفع هذا الأسبوع.", "لا أحد يعبره سيرا."],
    "hin": ["नदी इस सप्ताह ऊँची है।", "कोई इसे पैदल पार नहीं करता।"],
    "cmn": ["这周河水很高。", "没有人徒步过河。"],
    "jpn": ["今週は川の水位が高い。", "だれもあるいてわたらない。"],
    "kor": ["이번 주에는 강물이 높다.", "아무도 걸어서 건너지 않는다."],
    "tha": ["สัปดาห์นี้แม่น้ำสูง", "ไม่มีใครเดินข้าม"],
    "ell": ["Το ποτάμι είναι ψηλό αυτή την εβδομάδα.", "Κανείς δεν το περνά με τα πόδια."],
    "heb": ["הנהר גבוה השבוע.", "איש אינו חוצה אותו ברגל."],
}
TEXTS = [text for pair in SCRIPTS.values() for text in pair] * 3
SPECIAL = ["<unk>", "<s>", "</s>"]


def byte_level(texts: Iterable[str] = TEXTS, size: int = 500) -> Tokenizer:
    """As GPT-2: bytes, its rule for words, an end that is the one special token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=["<|endoftext|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=True)
    return tokenizer


def byte_fallback(texts: Iterable[str] = TEXTS, size: int = 600) -> Tokenizer:
    """As Llama: a BPE over characters, spaces spelt as U+2581, bytes for what it has no piece of."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=True, fuse_unk=True, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [
            decoders.Replace("▁", " "),
            decoders.ByteFallback(),
            decoders.Fuse(),
            decoders.Strip(" ", 1, 0),
        ]
    )
    of_bytes = [f"<0x{byte:02X}>" for byte in range(256)]
    trainer = trainers.BpeTrainer(
        vocab_size=size, limit_alphabet=60, special_tokens=[*SPECIAL, *of_bytes], show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tree = json.loads(tokenizer.to_str())
    # Its pieces of bytes are no special tokens.
    tree["added_tokens"] = tree["added_tokens"][: len(SPECIAL)]
    tokenizer = Tokenizer.from_str(json.dumps(tree))
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return tokenizer


def unigram(texts: Iterable[str] = TEXTS, size: int = 700) -> Tokenizer:
    """As T5 and XLM-R: a Unigram over normalised text, spaces spelt as U+2581, no bytes."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Replace(Regex(r"\s+"), " "), normalizers.NFKC(), normalizers.Strip(left=False)]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=size, special_tokens=SPECIAL, unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 2)])
    return tokenizer


KINDS = {"byte-level BPE": byte_level, "BPE with byte fallback": byte_fallback, "Unigram": unigram}
