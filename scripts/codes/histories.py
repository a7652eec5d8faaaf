"""What became of a division: follows dated changes of GB/T 2260 codes to the edition in force.

A code says little without its year: 609 codes were given to another place at least once (most
in 1982). So a place is followed as (code, year): the next change of that code after that year is
the place's, and where it leads the place is followed from that year on.
"""

from collections import defaultdict

# Places did move between these provinces: Chongqing left Sichuan, Hainan left Guangdong.
PROVINCES_PARTED = {("51", "50"), ("44", "46")}
# Changes whose target is the same place, whatever it is called now.
SAME_PLACE = {
    "同名改码": "renumbered",
    "更名": "renamed",
    "撤县设市": "raised_to_city",
    "撤地设市": "raised_to_city",
    "撤县设区": "made_district",
    "撤市设区": "made_district",
    "撤旗设区": "made_district",
    "撤区设区": "made_district",
}
# Dozens of towns had one; the name says nothing about which.
GENERIC_NAMES = {"郊区", "市郊区", "城区", "矿区", "市中区", "市区"}


def straightened(events, short_name):
    """The changes as they must have been where the source pairs places by code alone.

    It tells of a code given to another place, but where the former holder went only if its new
    code is new; and it takes a place for renamed when two places exchanged their codes. So the
    name is looked for among what was given out in the province the same year.
    """
    given = defaultdict(set)
    moved = set()
    for e in events:
        if e["old_code6"] != e["new_code6"]:
            moved.add((e["year"], e["old_code6"]))
        if e["old_code6"] != e["new_code6"] or e["old_name"] != e["new_name"]:
            for name in {e["new_name"], short_name(e["new_name"]) or e["new_name"]}:
                given[e["year"], name, e["new_code6"][:2]].add(e["new_code6"])

    def target(e, name):
        codes = given[e["year"], name, e["old_code6"][:2]] - {e["old_code6"], e["new_code6"]}
        near = {c for c in codes if c[:4] == e["old_code6"][:4]} or codes
        return near.pop() if len(near) == 1 else None

    for e in events:
        name, short = e["old_name"], short_name(e["old_name"])
        stays = e["old_code6"] == e["new_code6"] != ""
        if stays and name != e["new_name"] and (e["year"], e["old_code6"]) not in moved:
            if code := target(e, name):
                yield {**e, "type": "同名改码", "new_code6": code, "new_name": name}
            elif e["type"] == "码位改派":
                yield {**e, "type": "撤销", "new_code6": "", "new_name": ""}
        elif e["type"] == "撤县设市" and short and short != short_name(e["new_name"]):
            if code := target(e, short):
                yield {**e, "new_code6": code, "new_name": name}
                continue
        yield e


class Histories:
    def __init__(self, rows, events, short_name):
        self.current = {r["code6"]: r for r in rows}
        self.short_name = short_name
        coded = [e for e in events if e["old_code6"] or e["new_code6"]]
        coded = list(straightened(coded, short_name))
        # What replaces prefectures: those whose code prefix a recorded change leads to.
        self.prefixes = defaultdict(set)
        for e in coded:
            if e["old_code6"].endswith("00") and e["new_code6"]:
                self.prefixes[e["old_code6"][:4]].add(e["new_code6"][:4])
        self.moves = defaultdict(list)
        self.arrivals = defaultdict(list)
        self.names = defaultdict(list)
        self.renamings = {
            (e["old_code6"], int(e["year"]))
            for e in coded
            if e["type"] == "更名" and e["old_code6"] == e["new_code6"]
        }
        self.retired_codes = set()
        for e in sorted(coded, key=lambda e: int(e["year"])):
            old, new, year = e["old_code6"], e["new_code6"], int(e["year"])
            if old and old != new:
                self.moves[old].append((year, e))
            if new and old != new:
                self.arrivals[new].append((year, e["new_name"]))
            if old:
                self.names[old].append((year, e["old_name"]))
            self.retired_codes |= {code for code in (old, new) if code} - self.current.keys()

    def retired(self):
        """Yields (code, name, year, change, successors) for every code no longer in force."""
        for code in sorted(self.retired_codes):
            moves = self.moves.get(code, [])
            if moves:
                year, event = moves[-1]
                successors, change = self.after(event)
                yield code, event["old_name"], year, change, ",".join(sorted(successors))
            else:
                year, name = self.arrivals.get(code, [])[-1]
                successors, change = self.by_name_or_prefix(code, name, year)
                later = [y for s in successors for y, _ in self.arrivals.get(s, []) if y > year]
                retired_year = min(later, default="") if change != "abolished" else ""
                yield code, name, retired_year, change, ",".join(sorted(successors))

    def former_names(self):
        """Yields (name, level, short, successors) for every name no division of its province has any more."""
        in_force = {(r["name"], code[:2]) for code, r in self.current.items()}
        latest = {}
        for code, held in self.names.items():
            for year, name in held:
                if name in GENERIC_NAMES or (len(name) == 2 and name[1] == "区"):
                    continue
                if (name, code[:2]) in in_force:
                    continue
                # A renamed place keeps its code; one that was moved has a move in that year.
                move = next((e for y, e in self.moves.get(code, []) if y == year), None)
                successors = self.after(move)[0] if move else self.renamed(code, year, name)
                if successors and latest.get((name, code[:2]), (0,))[0] <= year:
                    latest[name, code[:2]] = year, 2 if code.endswith("00") else 3, successors
        for name in sorted({name for name, _ in latest}):
            found = [held for (n, _), held in latest.items() if n == name]
            successors = {s for _, _, successors in found for s in successors}
            # A name whose place is only known by its province says nothing.
            successors = {s for s in successors if s[2:] != "0000" or name.startswith("重庆")}
            if successors:
                level = min(level for _, level, _ in found)
                yield name, level, self.short_name(name), ",".join(sorted(successors))

    def renamed(self, code, year, name):
        """Where the place is now that lost this name in this year but kept its code."""
        later = [n for y, n in self.names.get(code, []) if y > year] or [
            self.current.get(code, {}).get("name", "")
        ]
        same = self.short_name(later[0]) == self.short_name(name) != ""
        return self.follow(code, year) if same or (code, year) in self.renamings else None

    def follow(self, code, year, seen=()):
        """Where the place is now that held this code after this year."""
        if (code, year) in seen:
            return set()
        for moved, event in self.moves.get(code, []):
            if moved > year:
                return self.after(event, (*seen, (code, year)))[0]
        if code in self.current:
            return {code}
        name = (self.arrivals.get(code, []) or [(0, "")])[-1][1]
        return self.by_name_or_prefix(code, name, year)[0]

    def after(self, event, seen=()):
        """The divisions in force that a change leads to, and what kind of change it was."""
        old, new, year = event["old_code6"], event["new_code6"], int(event["year"])
        kind = SAME_PLACE.get(event["type"])
        same_name = event["old_name"] == event["new_name"]
        if not new or self.is_homonym(event):
            return self.by_name_or_prefix(old, event["old_name"], year)
        alike = self.short_name(event["old_name"]) == self.short_name(event["new_name"]) != ""
        if old.endswith("00") and not kind and not (new.endswith("00") and alike):
            return self.by_counties(old, event["old_name"], year)
        successors = self.follow(new, year, seen)
        if kind is None:
            merged = "merged" if event["type"] == "撤销" else "reorganised"
            kind = "renumbered" if same_name else merged
        return successors, kind

    def is_homonym(self, event):
        """Whether two places were taken for one because they bear the same name."""
        old, new = event["old_code6"], event["new_code6"]
        if old[:2] != new[:2]:
            return (old[:2], new[:2]) not in PROVINCES_PARTED
        moved_along = old[:4] == new[:4] or new[:4] in self.prefixes.get(old[:4], ())
        alike = event["old_name"] == event["new_name"] and event["old_name"].endswith("区")
        generic = event["old_name"] in GENERIC_NAMES or event["type"] == "撤销"
        return alike and generic and not moved_along

    def by_counties(self, code, name, year):
        """The prefectures in force that a dissolved prefecture's counties went to."""
        prefectures = set()
        for county, moves in self.moves.items():
            if county[:4] != code[:4] or county == code:
                continue
            for moved, event in moves:
                if moved == year and event["new_code6"] and not self.is_homonym(event):
                    went_to = self.follow(event["new_code6"], year)
                    prefectures |= {self.prefecture(c) for c in went_to}
        if not prefectures:
            return self.by_name_or_prefix(code, name, year)
        return prefectures, "merged" if len(prefectures) == 1 else "split"

    def prefecture(self, code):
        parent = self.current[code]["parent_code6"]
        at_prefecture = self.current[code]["level"] != "3" or self.current[parent]["level"] == "1"
        return code if at_prefecture else parent

    def by_name_or_prefix(self, code, name, year):
        """A division of the same province that bears the name; else what the code lies within."""
        short = self.short_name(name)
        if name not in GENERIC_NAMES:
            prefecture = code.endswith("00")
            for level_is_prefecture in (prefecture, not prefecture):
                alike = self.by_name(code, year, level_is_prefecture, lambda n: n == name)
                if len(alike) != 1 and short and (name.endswith("地区") or name[-1] != "区"):
                    alike = self.by_name(
                        code, year, level_is_prefecture, lambda n: self.short_name(n) == short
                    )
                if len(alike) == 1:
                    return alike, "reorganised"
        return self.within(code, year), "abolished"

    def within(self, code, year):
        """The divisions in force that cover what lay around this code up to this year."""
        prefecture = code[:4] + "00"
        if code != prefecture:
            for moved, event in self.moves.get(prefecture, []):
                if moved >= year:
                    return self.after(event)[0]
            if prefecture in self.current:
                return {prefecture}
        return {code[:2] + "0000"}

    def by_name(self, code, year, prefecture, matches):
        """Divisions in force of the province, at the level asked, that bear or bore the name."""
        provinces = {code[:2]} | {new for old, new in PROVINCES_PARTED if old == code[:2]}

        def fits(other):
            return other[:2] in provinces and other != code and other.endswith("00") == prefecture

        found = {c for c, r in self.current.items() if fits(c) and matches(r["name"])}
        if found:
            return found
        for other, arrivals in self.arrivals.items():
            for arrived, name in arrivals:
                if fits(other) and arrived == year and matches(name):
                    found |= self.follow(other, arrived)
        return found
