"""The campaign from the command line; README.md says when to use what.

python -m experiments.campaign run HOME TABLE        start, or go on; TABLE is the folder of the committed table, outside this clone
python -m experiments.campaign ledger HOME [FILE]    what every stage costs here, before it starts
python -m experiments.campaign hours HOME [TABLE]    the ledger's estimate beside the hours taken
"""

from __future__ import annotations

import sys
from pathlib import Path

from experiments.campaign import ledger
from experiments.campaign.run import Campaign, commit_of
from experiments.campaign.table import HERE, Table


def main() -> None:
    """Do what is asked."""
    command, home, *rest = sys.argv[1:]
    if command == "run":
        if not rest:
            sys.exit("say where the committed table lies: a clone that the table grows in is no clean clone")
        Campaign(Path(home), Table(Path(rest[0])), commit_of()).run()
    elif command == "ledger":
        ledger.write(Path(home), Path(rest[0]) if rest else HERE / "ledger.json")
    elif command == "hours":
        print(ledger.beside_hours(Table(Path(rest[0]) if rest else HERE)))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
