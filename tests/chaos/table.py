"""The table of attempts, by fault and command, as the page on reliability has it."""

from collections import Counter

COMMANDS = ("train", "study", "tune", "export", "report")


def markdown(attempts, about):
    """Return the figures of some attempts as Markdown.

    Args:
        attempts: all of them.
        about: lines on how it was run.
    """
    faults = list(dict.fromkeys(one.fault for one in attempts))
    count = Counter((one.fault, one.command) for one in attempts)
    lines = [
        "| fault | "
        + " | ".join(COMMANDS)
        + " | all | ended well at once | told, and went on when given again | promises broken |"
    ]
    lines.append("| --- |" + " ---: |" * (len(COMMANDS) + 4))
    for fault in [*faults, None]:
        of = [one for one in attempts if fault in (None, one.fault)]
        cells = [str(sum(one.command == name for one in of) or "") for name in COMMANDS]
        at_once = sum(one.code == 0 and not one.remedies for one in of)
        broken = sum(bool(one.broken) for one in of)
        name = fault if fault is not None else "**all**"
        lines.append(
            f"| {name} | {' | '.join(cells)} | {len(of)} | {at_once} | {len(of) - at_once - broken} | {broken} |"
        )
    assert sum(count.values()) == len(attempts)
    return "\n".join([*about, "", *lines])


def put_into(page, name, text):
    """Put a text between the two marks of that name in a page."""
    begin, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
    content = page.read_text(encoding="utf-8")
    before, rest = content.split(begin)
    _, after = rest.split(end)
    page.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")
