#!/usr/bin/env python3
"""Makes the code lists under src/codes/data/ from public tables.

    python3 scripts/codes/generate.py DATA_DIR [OUT_DIR]

DATA_DIR holds divisions/{gbt2260_flat_2026,division_change_events,iso3166_2_all}.csv and
occupations/{csco2022,isco08_flat}.csv; OUT_DIR is src/codes/data of this package unless given.
Only codes, official names, levels and dates are taken: facts, no definitions. Every file is made
anew, in code order, so a new edition is read as a plain diff.
"""

import re
import sys
from pathlib import Path

from histories import Histories
from tables import read_csv, write_table

# GB/T 2260 letter codes of the provinces, which ISO 3166-2 took over for China.
CHINA = dict(
    BJ=110000, TJ=120000, HE=130000, SX=140000, NM=150000, LN=210000, JL=220000, HL=230000,
    SH=310000, JS=320000, ZJ=330000, AH=340000, FJ=350000, JX=360000, SD=370000, HA=410000,
    HB=420000, HN=430000, GD=440000, GX=450000, HI=460000, CQ=500000, SC=510000, GZ=520000,
    YN=530000, XZ=540000, SN=610000, GS=620000, QH=630000, NX=640000, XJ=650000, TW=710000,
    HK=810000, MO=820000,
)  # fmt: skip
# ISO 3166-1 gives these an entry of their own, ISO 3166-2 lists them under CN as well. One
# subtree has one key: the entry is read as the province it names.
COUNTRIES_WITHIN_CHINA = {"HK": "810000", "MO": "820000", "TW": "710000"}

# Changes that the table of changes leaves out.
LEFT_OUT = [
    # 国函〔2021〕29号: 下城区 and 拱墅区 became the new 拱墅区.
    dict(
        year="2021", type="撤区设区", level="3", old_code6="330103", old_name="下城区",
        new_code6="330105", new_name="拱墅区", doc_no="国函〔2021〕29号", source="",
    ),
]  # fmt: skip

ETHNIC_GROUPS = (
    "蒙古 回 藏 维吾尔 苗 彝 壮 布依 朝鲜 满 侗 瑶 白 土家 哈尼 哈萨克 傣 黎 傈僳 佤 畲 高山 拉祜 水"
    " 东乡 纳西 景颇 柯尔克孜 土 达斡尔 仫佬 羌 布朗 撒拉 毛南 仡佬 锡伯 阿昌 普米 塔吉克 怒 乌孜别克"
    " 俄罗斯 鄂温克 德昂 保安 裕固 京 塔塔尔 独龙 鄂伦春 赫哲 门巴 珞巴 基诺 各"
).split()
# Longest first: "自治州" before "州" would be cut, "特别行政区" before "区".
SUFFIXES = (
    "特别行政区 自治区 自治州 自治县 自治旗 地区 林区 特区 新区 省 市 区 县 旗 盟 州"
).split()


def short_name(name):
    """The name as people shorten it (杭州, 广西, 延边), or nothing when too little is left."""
    # 神农架林区 is a forest district, 万柏林区 and 清新区 are districts.
    suffix = next((s for s in SUFFIXES if re.search(f"..{'.' * (s == '林区')}{s}$", name)), "")
    stem = name[: len(name) - len(suffix)]
    if suffix.startswith("自治") or stem.endswith("族"):
        stem = without_ethnic_groups(stem, bare_too=suffix.startswith("自治"))
    return stem if len(stem) >= 2 and stem != name else ""


def without_ethnic_groups(stem, bare_too):
    for group in sorted(ETHNIC_GROUPS, key=len, reverse=True):
        for ending in (group + "族", group) if bare_too and len(group) > 1 else (group + "族",):
            rest = stem[: len(stem) - len(ending)]
            if stem.endswith(ending) and len(rest) >= 2:
                return without_ethnic_groups(rest, bare_too)
    return stem.removesuffix("族") if len(stem) > 2 else stem


def gbt2260(data, out):
    rows = read_csv(data / "divisions/gbt2260_flat_2026.csv")
    events = read_csv(data / "divisions/division_change_events.csv") + LEFT_OUT
    write_table(
        out / "gbt2260.tsv",
        [
            "Divisions of the People's Republic of China, GB/T 2260, edition 2026:",
            "34 provinces, 333 prefectures, 2,847 counties. Source: Ministry of Civil Affairs, codes",
            "and names of divisions at county level and above.",
        ],
        "code name level parent short",
        (
            (r["code6"], r["name"], r["level"], r["parent_code6"] or "CN", short_name(r["name"]))
            for r in sorted(rows, key=lambda r: r["code6"])
        ),
    )
    histories = Histories(rows, events, short_name)
    write_table(
        out / "gbt2260_retired.tsv",
        [
            "Codes of GB/T 2260 that are no longer in force, with the divisions of edition 2026 that",
            "took their place. Source: changes 1980-2026, from the yearly editions of the National",
            "Bureau of Statistics and the yearly change notices of the Ministry of Civil Affairs.",
            "The year is that of the first edition without the code; empty where it is not recorded.",
        ],
        "code name year change successors",
        histories.retired(),
    )
    write_table(
        out / "gbt2260_former_names.tsv",
        [
            "Names of divisions of China that are no longer in use, with the divisions of edition",
            "2026 that took their place. Source as in gbt2260_retired.tsv.",
        ],
        "name level short successors",
        histories.former_names(),
    )


def iso3166_2(data, out):
    rows = sorted(read_csv(data / "divisions/iso3166_2_all.csv"), key=lambda r: r["code"])
    countries = sorted({r["country"] for r in rows} | set(COUNTRIES_WITHIN_CHINA))
    table = [(c, c, "", "", "", COUNTRIES_WITHIN_CHINA.get(c, "")) for c in countries]
    for r in rows:
        name, other_names, other_codes = iso_names(r["name"])
        country, _, letters = r["code"].partition("-")
        unified = str(CHINA[letters]) if country == "CN" else ""
        table.append((r["code"], name, r["type"], other_names, other_codes, unified))
    write_table(
        out / "iso3166_2.tsv",
        [
            "Countries (ISO 3166-1 alpha-2, without names) and their subdivisions (ISO 3166-2),",
            "edition November 2023. Source: ISO 3166 Maintenance Agency, Online Browsing Platform.",
            "A code with a GB/T 2260 code beside it is another way to write that division.",
        ],
        "code name type other_names other_codes gbt2260",
        table,
    )


def iso_names(listed):
    """Takes "Name [Other name XX-00]" apart, and turns "Name, Kind of" into "Kind of Name"."""
    listed = listed.replace("†", "").strip()
    bracket = re.search(r"\s*\[(.*)\]$", listed)
    name = listed[: bracket.start()] if bracket else listed
    other_code = re.search(r"[A-Z]{2}-[A-Z0-9]{1,3}$", bracket.group(1)) if bracket else None
    others = []
    if bracket:
        others.append(bracket.group(1)[: other_code.start() if other_code else None].strip())
    if name.count(",") == 1 and " and " not in name and " y " not in name:
        head, _, tail = name.partition(", ")
        others.append(f"{tail} {head}")
        others.append(head)
    without_parentheses = re.sub(r"\s*\(.*\)$", "", name)
    others += [without_parentheses, *re.split(r"\s*/\s*", without_parentheses)]
    others = [o for o in dict.fromkeys(others) if o and o != name]
    return name, "|".join(others), other_code.group() if other_code else ""


def csco2022(data, out):
    listed = {}
    for r in read_csv(data / "occupations/csco2022.csv"):
        # The list marks green (L) and digital (S) occupations behind the name.
        name = re.sub(r"(L/S|L|S)$", "", re.sub(r"\s", "", r["name"]))
        known = listed.setdefault(r["code"], (name, int(r["level"])))
        listed[r["code"]] = (name, min(known[1], int(r["level"])))
    for code in list(listed):
        while code := csco_parent(code):
            listed.setdefault(code, ("", csco_level(code)))
    parents = {csco_parent(code) for code in listed}
    write_table(
        out / "csco2022.tsv",
        [
            "Occupations of the People's Republic of China: 职业分类大典 (CSCO), edition 2022.",
            "Source: Ministry of Human Resources and Social Security. Levels 1 to 4 are major, middle",
            "and small classes and occupations; an occupation that is its small class alone has the",
            "class's code. Classes without a name are missing in the source and stand here so that",
            "every occupation has its ancestors.",
        ],
        "code name level parent",
        (
            # A class is what has members, whatever level the source gives it.
            (code, name, csco_level(code) if code in parents else level, csco_parent(code))
            for code, (name, level) in sorted(listed.items())
        ),
    )


def csco_level(code):
    parts = code.split("-")
    return max(i for i, part in enumerate(parts, 1) if i == 1 or part != "00")


def csco_parent(code):
    level = csco_level(code)
    parts = code.split("-")
    return "" if level == 1 else "-".join(parts[: level - 1] + ["00"] * (5 - level))


def isco08(data, out):
    write_table(
        out / "isco08.tsv",
        [
            "International Standard Classification of Occupations, ISCO-08: 10 major, 43 sub-major,",
            "130 minor and 436 unit groups. Source: International Labour Organization; labels as in",
            "the ESCO dataset of the European Commission.",
        ],
        "code name level parent",
        (
            (r["code"], r["label"], r["level"], r["parent"])
            for r in sorted(read_csv(data / "occupations/isco08_flat.csv"), key=lambda r: r["code"])
        ),
    )


def main():
    data = Path(sys.argv[1])
    package = Path(__file__).resolve().parents[2]
    out = Path(sys.argv[2]) if len(sys.argv) > 2 else package / "src/codes/data"
    out.mkdir(parents=True, exist_ok=True)
    for make in (gbt2260, iso3166_2, csco2022, isco08):
        make(data, out)


if __name__ == "__main__":
    main()
