"""The model under the names of Llama, as Hugging Face's transformers reads it.

A shape with two norms a layer and one at the end is Llama with as many key heads as query heads: the halves of a
head are rotated alike, and only names and orientation differ (there a matrix is (outputs, inputs)).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from isoglot.core.errors import InputError
from isoglot.core.shapes import Shape
from isoglot.train.model import GPT2_SD, NORM_EPSILON, ROTARY_BASE, Transformer

ATTENTION = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "output": "o_proj"}
FEED_FORWARD = {"gate": "gate_proj", "up": "up_proj", "down": "down_proj"}
NORMS = {"attention_norm": "input_layernorm", "ffn_norm": "post_attention_layernorm"}


def check_llama(shape: Shape) -> None:
    """Raise InputError for a shape that no Llama has."""
    if shape.norms_per_layer != 2 or not shape.final_norm:
        raise InputError(
            f"shape has norms_per_layer={shape.norms_per_layer} and final_norm={shape.final_norm}: a Llama has two norms "
            "a layer and one at the end, so export a model of that shape"
        )


def llama_config(shape: Shape, sequence: int, end: int) -> dict[str, Any]:
    """Contents of `config.json`; `sequence` is the length trained on, `end` the id that ends and starts a document.

    Raises InputError for a shape that no Llama has.

    >>> tiny = Shape(layers=1, width=8, ffn=16, heads=2, head_width=4, vocabulary=257)
    >>> llama_config(tiny, 32, 256)["head_dim"]
    4
    """
    check_llama(shape)
    return {
        "architectures": ["LlamaForCausalLM"],
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": end,
        "eos_token_id": end,
        "head_dim": shape.head_width,
        "hidden_act": "silu",
        "hidden_size": shape.width,
        "initializer_range": GPT2_SD,
        "intermediate_size": shape.ffn,
        "max_position_embeddings": sequence,
        "mlp_bias": False,
        "model_type": "llama",
        "num_attention_heads": shape.heads,
        "num_hidden_layers": shape.layers,
        "num_key_value_heads": shape.heads,
        "rms_norm_eps": NORM_EPSILON,
        "rope_scaling": None,
        "rope_theta": ROTARY_BASE,
        "tie_word_embeddings": shape.tied,
        "torch_dtype": "float32",
        "use_cache": True,
        "vocab_size": shape.vocabulary,
    }


def llama_weights(model: Transformer) -> dict[str, np.ndarray]:
    """Every weight in float32 under its Llama name, matrices as (outputs, inputs).

    Raises InputError for a shape that no Llama has.

    >>> from isoglot.train.model import initial
    >>> tiny = Shape(layers=1, width=8, ffn=16, heads=2, head_width=4, vocabulary=257, tied=False)
    >>> llama_weights(initial(tiny, 0))["model.layers.0.mlp.gate_proj.weight"].shape
    (16, 8)
    """
    check_llama(model.shape)
    found = {
        "model.embed_tokens.weight": _plain(model.embedding),
        "model.norm.weight": _plain(model.final_norm),
    }
    if model.head is not None:
        found["lm_head.weight"] = _turned(model.head)
    for group, names in (("self_attn.", ATTENTION), ("mlp.", FEED_FORWARD), ("", NORMS)):
        for ours, theirs in names.items():
            stack = np.asarray(getattr(model.blocks, ours))
            for layer, weight in enumerate(stack):
                place = f"model.layers.{layer}.{group}{theirs}.weight"
                found[place] = _turned(weight) if weight.ndim == 2 else _plain(weight)
    return found


def _plain(weight: Any) -> np.ndarray:
    return np.ascontiguousarray(weight, np.float32)


def _turned(weight: Any) -> np.ndarray:
    return np.ascontiguousarray(np.asarray(weight).T, np.float32)
