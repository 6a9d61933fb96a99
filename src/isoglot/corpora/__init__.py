"""Text with a language on it: sources, cleaning, the held-out split, and prepared corpora on disk.

A *source* yields passages (verses, paragraphs, lines) that know their language, their document and, in parallel
text, their unit. `prepare` cleans a source, splits it by document and writes one Parquet file a language with a
manifest; `open_corpus` opens what was written. Local files, fetched packages, hub streams and synthetic languages
are all sources, so everything behind them is one code path.
"""
