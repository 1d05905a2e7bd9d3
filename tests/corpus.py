"""Made tagged sentences: words whose tag follows from their ending or from the word before, and files of them."""

import hashlib

import numpy as np

ENDINGS = {"V": "ing", "N": "ness", "A": "ful", "R": "ly"}
TAGS = ("A", "D", "N", "R", "V")


def sentences(count, seed=0):
    """Lists of (token, tag): "the" is D, a word after "the" is N whatever its ending, others go by their ending."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        sentence, after_the = [], False
        for _ in range(int(rng.integers(1, 9))):
            if rng.random() < 0.25:
                sentence.append(("the", "D"))
                after_the = True
                continue
            stem = "".join(rng.choice(list("abdegiklmnoprstu"), 3))
            tag = str(rng.choice(list(ENDINGS)))
            sentence.append((stem + ENDINGS[tag], "N" if after_the else tag))
            after_the = False
        made.append(sentence)
    return made


def text_of(made):
    """The file of such sentences."""
    return "\n".join("".join(f"{token}\t{tag}\n" for token, tag in sentence) for sentence in made)


def write_parts(folder, train=120, dev=30, test=40):
    """A folder of train, dev and test files."""
    folder.mkdir(parents=True, exist_ok=True)
    for seed, (part, count) in enumerate({"train": train, "dev": dev, "test": test}.items()):
        (folder / f"{part}.txt").write_text(text_of(sentences(count, seed)), encoding="utf-8")
    return folder


def write_resources(root):
    """Word clusters and name lists of the public files' form, in TFDS's manual folder below `root`."""
    manual = root / "downloads" / "manual"
    (manual / "twitter_word_clusters").mkdir(parents=True)
    words = {token: tag for sentence in sentences(300, 9) for token, tag in sentence}
    paths = dict(zip(TAGS, ("000", "001", "010", "0110", "0111"), strict=True))
    (manual / "twitter_word_clusters" / "6mpaths").write_text(
        "".join(f"{paths[tag]}\t{word}\t{10 + len(word)}\n" for word, tag in words.items()), encoding="utf-8"
    )
    (manual / "twitter_name_lists").mkdir()
    for name in ("celebs", "family", "female", "male", "mobyplaces", "proper_names"):
        (manual / "twitter_name_lists" / name).write_text(f"Only{name}\nanne\n", encoding="utf-8")
    return root


def lay_tweets(root, monkeypatch, address=None, **counts):
    """Made tweets in the published files' form and place, and kact told that these are the published ones.

    They go to TFDS's manual folder below `root`; or to `root` itself, for a server at `address` to give.
    """
    from kact.tasks.public_file import PublicFile
    from kact.tasks.twitter_pos_builder import TwitterPos
    from kact.tasks.twitter_pos_files import FILES, recorded_files

    for seed, (part, file) in enumerate(list(FILES.items())):
        content = (text_of(sentences(counts.get(part, 10), seed)) + "\n").encode()
        place = root / "downloads" / "manual" / file.path if address is None else root / part
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
        url = file.url if address is None else f"{address}/{part}"
        made = PublicFile(file.path, url, hashlib.sha256(content).hexdigest(), len(content))
        monkeypatch.setitem(FILES, part, made)
    monkeypatch.setattr(TwitterPos, "url_infos", recorded_files())
    return root
