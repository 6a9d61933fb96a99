"""Scaling laws under one contract: `predict(params, query) -> loss`. One law a file; constants in `published`."""

from isoglot.laws.atlas import Atlas
from isoglot.laws.capacity import Capacity
from isoglot.laws.chinchilla import Chinchilla
from isoglot.laws.data_constrained import DataConstrained
from isoglot.laws.dcpt import Dcpt
from isoglot.laws.finetune_multiplicative import FinetuneMultiplicative
from isoglot.laws.formula import Formula
from isoglot.laws.kaplan import Kaplan
from isoglot.laws.law import AbstractLaw, Column, Parameter, evaluate
from isoglot.laws.lr_schedule import LrSchedule
from isoglot.laws.mixing_additive import MixingAdditive
from isoglot.laws.mixing_exp import MixingExp
from isoglot.laws.mixing_joint import MixingJoint
from isoglot.laws.msl import MSL
from isoglot.laws.overtrain_downstream import OvertrainDownstream
from isoglot.laws.precision import Precision
from isoglot.laws.published import PRESETS, Preset, preset, published_params
from isoglot.laws.quality import Quality
from isoglot.laws.quanta import Quanta
from isoglot.laws.query import Query, query
from isoglot.laws.registry import LAWS, LawSpec, laws, parse_law
from isoglot.laws.rm_overopt import RmOveropt
from isoglot.laws.skaling import Skaling
from isoglot.laws.transfer_hernandez import TransferHernandez
from isoglot.laws.two_share import TwoShare
from isoglot.laws.vocabulary import Vocabulary

__all__ = [
    "LAWS",
    "MSL",
    "PRESETS",
    "AbstractLaw",
    "Atlas",
    "Capacity",
    "Chinchilla",
    "Column",
    "DataConstrained",
    "Dcpt",
    "FinetuneMultiplicative",
    "Formula",
    "Kaplan",
    "LawSpec",
    "LrSchedule",
    "MixingAdditive",
    "MixingExp",
    "MixingJoint",
    "OvertrainDownstream",
    "Parameter",
    "Precision",
    "Preset",
    "Quality",
    "Quanta",
    "Query",
    "RmOveropt",
    "Skaling",
    "TransferHernandez",
    "TwoShare",
    "Vocabulary",
    "evaluate",
    "laws",
    "parse_law",
    "preset",
    "published_params",
    "query",
]
