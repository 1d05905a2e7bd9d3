"""The table of attempts, by fault and command, as the page on reliability has it."""

COMMANDS = ("train", "study", "tune", "export", "report")
_ENDINGS = ("ended well under it", "went on when given again", "damage told, mended as told", "promise broken")


def markdown(attempts, about):
    """Return the figures of some attempts as Markdown.

    Args:
        attempts: all of them.
        about: lines on how it was run.
    """
    heads = ["fault", *COMMANDS, "all", *_ENDINGS]
    lines = [f"| {' | '.join(heads)} |", "| --- |" + " ---: |" * (len(heads) - 1)]
    for fault in [*dict.fromkeys(one.fault for one in attempts), None]:
        of = [one for one in attempts if fault in (None, one.fault)]
        counts = [sum(one.command == name for one in of) for name in COMMANDS]
        counts += [len(of), *(sum(_ending(one) == ending for one in of) for ending in _ENDINGS)]
        lines.append(f"| {fault or '**all**'} | {' | '.join(str(count or '') for count in counts)} |")
    return "\n".join([*about, "", *lines])


def _ending(one):
    if one.broken:
        return _ENDINGS[3]
    if one.remedies:
        return _ENDINGS[2]
    return _ENDINGS[0] if one.code == 0 else _ENDINGS[1]


def put_into(page, name, text):
    """Put a text between the two marks of that name in a page."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    before, rest = page.read_text(encoding="utf-8").split(begin)
    _, after = rest.split(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
