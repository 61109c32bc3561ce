"""JSON objects in arrays: a column of many rounds takes a few bytes for each."""

import json
from itertools import repeat

import numpy as np

as_json = json.JSONEncoder(sort_keys=True, separators=(",", ":")).encode
# Rows of more different shapes than this are kept as text.
MOST_SHAPES = 8
WHOLE = MOST_SHAPES
NOTHING = -1


class JsonColumn:
    """Objects of JSON or None, appended in blocks and read by block.

    Numbers lie in arrays. Everything else is kept once for each different text.
    """

    def __init__(self):
        self._texts, self._values, self._blocks = {}, [], []

    def append(self, rows):
        """Append a block of dicts or None."""
        shapes, places = {}, np.empty(len(rows), np.int8)
        members = []
        for i, row in enumerate(rows):
            if row is None:
                places[i] = NOTHING
                continue
            shape = tuple(row), tuple(map(type, row.values()))
            place = shapes.get(shape)
            if place is None:
                place = min(len(shapes), WHOLE)
                if place < WHOLE:
                    shapes[shape] = place
                if place == len(members):
                    members.append([])
            places[i] = place
            members[place].append(row)
        packed = [
            (names, [self._column(*each) for each in zip(kinds, _turned(names, rows))])
            for (names, kinds), rows in zip(shapes, members)
        ]
        if len(members) > MOST_SHAPES:
            packed.append((None, [self._codes(members[WHOLE])]))
        self._blocks.append((places, packed))

    def block(self, number):
        """Return the rows of a block, as they were appended."""
        places, packed = self._blocks[number]
        streams = [self._rows(*each) for each in packed]
        if _is_one_shape(places, packed):
            return list(streams[0])
        return [
            None if place == NOTHING else next(streams[place])
            for place in places.tolist()
        ]

    def texts(self, number):
        """Return the rows of a block as JSON with sorted names."""
        places, packed = self._blocks[number]
        streams = [self._row_texts(*each) for each in packed]
        if _is_one_shape(places, packed):
            return list(streams[0])
        return [
            "null" if place == NOTHING else next(streams[place])
            for place in places.tolist()
        ]

    def numbers(self, name):
        """Return a field of all rows as floats; NaN where it is no number."""
        blocks = [self._numbers(name, *each) for each in self._blocks]
        return np.concatenate([np.empty(0), *blocks])

    def _column(self, kind, values):
        if issubclass(kind, float):
            return np.array(values, np.float64)
        if kind is int:
            try:
                return np.array(values, np.int64)
            except OverflowError:
                pass
        return self._codes(values)

    def _codes(self, values):
        """Keep values once for each text; return their places as 32-bit numbers."""
        texts = list(map(json.dumps, values))
        for text in set(texts) - self._texts.keys():
            self._texts[text] = len(self._values)
            self._values.append(json.loads(text))
        return np.array([self._texts[text] for text in texts], np.uint32)

    def _rows(self, names, columns):
        read = [self._read(column) for column in columns]
        if names is None:
            return iter(read[0])
        if not names:
            return ({} for _ in repeat(None))
        return (dict(zip(names, row)) for row in zip(*read))

    def _row_texts(self, names, columns):
        if names is None:
            return iter(self._column_texts(columns[0]))
        if not names:
            return repeat("{}")
        order = sorted(range(len(names)), key=names.__getitem__)
        keys = (as_json(names[i]).replace("%", "%%") for i in order)
        form = "{" + ",".join(f"{key}:%s" for key in keys) + "}"
        texts = zip(*(self._column_texts(columns[i]) for i in order))
        return map(form.__mod__, texts)

    def _column_texts(self, column):
        if column.dtype == np.uint32:
            codes, places = np.unique(column, return_inverse=True)
            texts = [as_json(self._values[code]) for code in codes.tolist()]
            return [texts[place] for place in places.tolist()]
        return number_texts(column)

    def _read(self, column):
        if column.dtype == np.uint32:
            return [self._values[code] for code in column.tolist()]
        return column.tolist()

    def _numbers(self, name, places, packed):
        found = np.full(len(places), np.nan)
        for place, (names, columns) in enumerate(packed):
            if names is None:
                values = [row.get(name) for row in self._read(columns[0])]
            elif name in names:
                column = columns[names.index(name)]
                if column.dtype != np.uint32:
                    found[places == place] = column
                    continue
                values = self._read(column)
            else:
                continue
            found[places == place] = [
                float(value) if is_number(value) else np.nan for value in values
            ]
        return found


class NumberColumns:
    """The numbers in dicts, by name; what else they hold is forgotten."""

    def __init__(self):
        self._blocks = []

    def append(self, rows):
        """Append a block of dicts or None."""
        names = {name for names in set(map(tuple, filter(None, rows))) for name in names}
        found = {}
        for name in names:
            values = [row.get(name) if row else None for row in rows]
            kinds = set(map(type, values))
            if kinds <= {bool, type(None), str}:
                continue
            if kinds - {float}:
                values = [float(v) if is_number(v) else np.nan for v in values]
            found[name] = np.array(values)
        self._blocks.append((len(rows), found))

    def names(self):
        """Return the names of all numbers, sorted."""
        return sorted({name for _, found in self._blocks for name in found})

    def numbers(self, name):
        """Return the numbers of a name, NaN where a row has none."""
        unknown = (np.full(size, np.nan) for size, _ in self._blocks)
        blocks = [
            found.get(name, nothing)
            for (_, found), nothing in zip(self._blocks, unknown)
        ]
        return np.concatenate([np.empty(0), *blocks])


def number_texts(column):
    """Return finite numbers as JSON."""
    return list(map(repr, column.tolist()))


def is_number(value):
    """Return whether a value of JSON is a number; true and false are none."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_one_shape(places, packed):
    """Return whether all rows of a block have the same names, one at least."""
    return len(packed) == 1 and bool(packed[0][0]) and not places.any()


def _turned(names, rows):
    return [[row[name] for row in rows] for name in names]
