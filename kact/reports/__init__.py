"""Reports: what a study, or any runs, can say, as Markdown for a repository and as one HTML page for a mail.

Made from results alone: nothing here loads a deep-learning library or a data set. The arrow points one way: `material`
is what is there, `findings` what `kact.stats` says of it, `answer`, `tables`, `figures` and `conditions` put that into
words, `page` puts those in order, and `write` puts it on disk.

>>> write.report(["runs/of/nobody"], runs="runs/of/nobody")
Traceback (most recent call last):
kact.errors.KactError: There is no study or run 'runs/of/nobody': it is no directory, and 'runs/of/nobody' holds none so called.
See what there is: kact study list
"""
