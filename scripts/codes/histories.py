"""What became of a division: follows dated changes of GB/T 2260 codes to the edition in force.

A code says little without its year: 1,100 codes were given to another place at least once (most
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


class Histories:
    def __init__(self, rows, events, short_name):
        self.current = {r["code6"]: r for r in rows}
        self.short_name = short_name
        coded = [e for e in events if e["old_code6"] or e["new_code6"]]
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
                retired_year = min(
                    (y for s in successors for y, _ in self.arrivals.get(s, []) if y > year), default=""
                )
                yield code, name, retired_year, change, ",".join(sorted(successors))

    def former_names(self):
        """Yields (name, level, short, successors) for every name that is nobody's any more."""
        found = defaultdict(set)
        levels = {}
        for code, held in self.names.items():
            for year, name in held:
                if name in GENERIC_NAMES:
                    continue
                # A renamed place keeps its code; one that was moved has a move in that year.
                move = next((e for y, e in self.moves.get(code, []) if y == year), None)
                if move:
                    found[name] |= self.after(move)[0]
                elif (renamed := self.renamed(code, year, name)) is not None:
                    found[name] |= renamed
                levels[name] = 2 if code.endswith("00") else 3
        for name in sorted(found):
            in_force = {c for c, r in self.current.items() if r["name"] == name}
            successors = found[name] - in_force - {c[:2] + "0000" for c in found[name]}
            if successors and not in_force:
                yield name, levels[name], self.short_name(name), ",".join(sorted(successors))

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
            kind = "renumbered" if same_name else "merged" if event["type"] == "撤销" else "reorganised"
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
                    prefectures |= {self.prefecture(c) for c in self.follow(event["new_code6"], year)}
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
                if len(alike) != 1 and short and not name.endswith("区"):
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
