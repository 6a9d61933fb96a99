"""From text to token ids: vocabularies, clones of a language, and tokenised shards on disk.

A vocabulary turns text into ids and back: bytes, a byte-level BPE, or several vocabularies beside one another.
Clones give one language several disjoint sets of ids, so that models see languages that are equivalent by
construction. Shards hold a corpus as ids, memory-mapped, with every file's hash; training reads nothing else.
"""

from isoglot.tokenizer.bpe import BpeVocabulary, train_bpe
from isoglot.tokenizer.byte_vocabulary import ByteVocabulary
from isoglot.tokenizer.clones import Clones
from isoglot.tokenizer.fertility import Fertility, fertility
from isoglot.tokenizer.foreign import ForeignVocabulary, read_tokenizer
from isoglot.tokenizer.held_out import HeldOut
from isoglot.tokenizer.kinds import train_vocabulary
from isoglot.tokenizer.pairs import PairVocabulary
from isoglot.tokenizer.shards import Shards, open_shards, write_shards
from isoglot.tokenizer.stored_shards import shards_of_ids
from isoglot.tokenizer.vocabulary import Vocabulary, load_vocabulary

__all__ = [
    "BpeVocabulary",
    "ByteVocabulary",
    "Clones",
    "Fertility",
    "ForeignVocabulary",
    "HeldOut",
    "PairVocabulary",
    "Shards",
    "Vocabulary",
    "fertility",
    "load_vocabulary",
    "open_shards",
    "read_tokenizer",
    "shards_of_ids",
    "train_bpe",
    "train_vocabulary",
    "write_shards",
]
