"""Reports: what a study, or any runs, can say, as Markdown for a repository and as one HTML page for a mail.

Made from results alone: nothing here loads a deep-learning library or a data set. The arrow points one way: `material`
is what is there, `findings` what `kact.stats` says of it, `answer`, `tables`, `figures` and `conditions` put that into
words, `page` puts those in order, and `write` puts it on disk.

>>> from kact.reports.write import report
>>> report(["lenet"], formats=["pdf"])
Traceback (most recent call last):
kact.errors.KactError: The 'format' parameter must be one of: md, html, csv, parquet. Got 'pdf' instead.
"""
