//! What becomes of each format's files.

use crate::postings::import::Options;
use crate::postings::import::tests::{fixture, read, shown, with_mapping};

#[test]
fn schema_org_lines() {
    insta::assert_snapshot!(of("schema-org/board.jsonl"), @r#"
    board.jsonl:1 B-1@1772438400
      application.url: "https://birch.example.com/jobs/1"
      benefits: ["a bicycle"]
      contract_term: "CONTRACT_TERM_FIXED"
      description: "<p>Mend bicycles.</p>"
      employer.name: "Birch Wheels AB"
      employer.url: "https://birch.example.com"
      employment_types: ["EMPLOYMENT_TYPE_FULL_TIME","EMPLOYMENT_TYPE_SEASONAL"]
      language: "en"
      links[0].url: "https://birch.example.com/jobs/1"
      occupations[0].code: "7234"
      occupations[0].scheme: "OCCUPATION_SCHEME_ISCO_08"
      openings: 2
      pay.currency: "SEK"
      pay.max_minor: 19000
      pay.min_minor: 16850
      pay.unit: "PAY_UNIT_HOUR"
      requirements.education: "EDUCATION_LEVEL_UPPER_SECONDARY"
      requirements.education_text: "high school"
      requirements.experience_months_min: 24
      requirements.skills[0].name: "wheel building"
      requirements.skills[0].required: true
      requirements.skills[1].name: "brazing"
      requirements.skills[1].required: true
      schedule.text: "40 hours a week"
      title: "Bicycle mechanic"
      validity.closes_at: "2026-04-30T23:59:59Z"
      validity.published_at: "2026-03-01T00:00:00Z"
      workplaces[0].address: "Hjulgatan 1"
      workplaces[0].division.code: "SE-AC"
      workplaces[0].division.scheme: "DIVISION_SCHEME_ISO3166_2"
      workplaces[0].location.latitude: 63.82
      workplaces[0].location.longitude: 20.26
      workplaces[0].postal_code: "90321"
      workplaces[0].town: "Umeå"
    board.jsonl:2 B-2
      employer.name: "Lind Vård"
      employment_types: ["EMPLOYMENT_TYPE_FULL_TIME","EMPLOYMENT_TYPE_SEASONAL"]
      links[0].url: "https://lind.example.se/2"
      requirements.experience_months_max: 48
      requirements.experience_months_min: 24
      requirements.experience_text: "Undersköterska - 2-4 års erfarenhet"
      requirements.languages[0].language: "en"
      requirements.languages[0].required: true
      source_category: "Undersköterska"
      title: "Sommarvikarie"
      workplaces[0].division.code: "SE-Z"
      workplaces[0].division.scheme: "DIVISION_SCHEME_ISO3166_2"
      workplaces[0].town: "Östersund"
      ! workplaces DivisionUnknown: places were sought in SE, as the address of the posting says <https://lind.example.se/2>
      ! occupations OccupationUnknown: left out: the list that the code is from is not known <5332>
    board.jsonl:4 https://birch.example.com/jobs/3
      employer.name: "Birch Wheels AB"
      employment_types: ["EMPLOYMENT_TYPE_FREELANCE"]
      links[0].url: "https://birch.example.com/jobs/3"
      pay.currency: "EUR"
      pay.max_minor: 320050
      pay.min_minor: 320050
      pay.unit: "PAY_UNIT_MONTH"
      title: "Translator"
      work_mode: "WORK_MODE_REMOTE"
      workplaces[0].division.code: "NO"
      workplaces[0].division.scheme: "DIVISION_SCHEME_ISO3166_2"
      ! validity.closes_at BadFormat: left out: not a day or time <someday>
    board.jsonl:6 REJECTED B-4 workplaces DivisionUnknown
    board.jsonl:7 REJECTED B-5 employer.name Required
    board.jsonl:8 REJECTED ?  Malformed
    "#);
}

#[test]
fn schema_org_graph() {
    insta::assert_snapshot!(of("schema-org/page.json"), @r#"
    page.json#/@graph/1 A-1
      employer.name: "白杨软件有限公司"
      language: "zh-Hans"
      pay.currency: "CNY"
      pay.max_minor: 1800000
      pay.min_minor: 1200000
      pay.unit: "PAY_UNIT_MONTH"
      requirements.education: "EDUCATION_LEVEL_BACHELOR"
      requirements.education_text: "本科及以上"
      title: "测试工程师"
      workplaces[0].division.code: "330100"
      workplaces[0].division.scheme: "DIVISION_SCHEME_GBT2260"
    "#);
}

#[test]
fn job_tech_source_ads() {
    insta::assert_snapshot!(of("jobtech/source_ads.json"), @r#"
    source_ads.json#/testannonser/0 71@1772440000
      application.email: "jobb@ugn.example.se"
      application.reference: "Bagare 71"
      contract_term: "CONTRACT_TERM_PERMANENT"
      description: "<p>Vi bakar.</p>"
      employer.legal_ids[0].scheme: "SE-ORGNR"
      employer.legal_ids[0].value: "5500000001"
      employer.name: "Ugn och Deg AB"
      employer.url: "https://ugn.example.se"
      employment_types: ["EMPLOYMENT_TYPE_PART_TIME"]
      openings: 3
      pay.text: "Enligt avtal – Fast lön"
      requirements.education: "EDUCATION_LEVEL_UPPER_SECONDARY"
      requirements.education_text: "Gymnasial utbildning"
      requirements.experience_months_max: 48
      requirements.experience_months_min: 24
      requirements.experience_text: "Bagare – 2-4 års erfarenhet"
      requirements.languages[0].language: "sv"
      requirements.languages[0].required: true
      requirements.languages[1].language: "en"
      requirements.licences: ["B"]
      schedule.text: "Tidiga morgnar"
      source_category: "Bagare"
      title: "Bagare"
      validity.closes_at: "2026-04-15T21:59:59Z"
      validity.published_at: "2026-02-28T23:00:00Z"
      workplaces[0].address: "Limpgatan 3"
      workplaces[0].division.code: "SE-BD"
      workplaces[0].division.scheme: "DIVISION_SCHEME_ISO3166_2"
      workplaces[0].location.latitude: 67.85
      workplaces[0].location.longitude: 20.22
      workplaces[0].postal_code: "98100"
      workplaces[0].town: "Kiruna"
    source_ads.json#/testannonser/1 72 close 3 at 1772708400
    "#);
}

#[test]
fn job_tech_platsannonser() {
    insta::assert_snapshot!(of("jobtech/platsannonser.json"), @r#"
    platsannonser.json#/hits/hits/0 81@1781400000
      application.reference: "S81"
      application.url: "https://smed.example.se/sok"
      contract_term: "CONTRACT_TERM_FIXED"
      description: "Vi smider."
      employer.legal_ids[0].scheme: "SE-ORGNR"
      employer.legal_ids[0].value: "5500000002"
      employer.name: "Städ och Hammare AB"
      employment_types: ["EMPLOYMENT_TYPE_FULL_TIME"]
      openings: 1
      pay.text: "Fast lön"
      requirements.experience_months_min: 0
      requirements.languages[0].language: "sv"
      requirements.languages[0].required: true
      requirements.skills[0].name: "Härdning"
      requirements.skills[0].required: true
      requirements.skills[1].name: "Svetsning"
      requirements.text: "Noggrann"
      schedule.text: "100 %\nSkift"
      source_category: "Smed, Smeder (SSYK 7221)"
      title: "Smed"
      validity.closes_at: "2026-07-03T21:59:59Z"
      validity.published_at: "2026-06-13T22:00:00Z"
      workplaces[0].division.code: "SE-O"
      workplaces[0].division.scheme: "DIVISION_SCHEME_ISO3166_2"
      workplaces[0].location.latitude: 57.7
      workplaces[0].location.longitude: 11.96
      workplaces[0].postal_code: "41100"
      workplaces[0].town: "Göteborg"
    "#);
}

#[test]
fn job_tech_gathered() {
    insta::assert_snapshot!(of("jobtech/gathered.json"), @r#"
    gathered.json#/hits/hits/0 g-1@1770076800
      application.reference: "E1"
      description: "Vi söker en elektriker."
      employer.name: "Ström AB"
      links[0].label: "Board One"
      links[0].url: "https://one.example.se/1"
      links[1].label: "Board Two"
      links[1].url: "https://two.example.se/9"
      source_category: "Elektriker"
      title: "Elektriker till Malmö"
      validity.closes_at: "2026-03-01T22:59:59Z"
      validity.published_at: "2026-02-01T04:05:06Z"
      workplaces[0].division.code: "SE-M"
      workplaces[0].division.scheme: "DIVISION_SCHEME_ISO3166_2"
      workplaces[0].town: "Malmö"
    gathered.json#/hits/hits/1 REJECTED g-3 employer.name Required
    "#);
}

#[test]
fn job_tech_stream() {
    insta::assert_snapshot!(of("jobtech/stream.jsonl"), @r#"
    stream.jsonl:1 91@1767340800
      application.email: "plank@example.se"
      description: "<p>Bygg hus.</p>"
      employer.legal_ids[0].scheme: "SE-ORGNR"
      employer.legal_ids[0].value: "5500000003"
      employer.name: "Plank AB"
      employment_types: ["EMPLOYMENT_TYPE_GIG","EMPLOYMENT_TYPE_PART_TIME"]
      links[0].url: "https://board.example.se/91"
      openings: 1
      requirements.skills[0].name: "Ritningsläsning"
      requirements.skills[0].required: true
      schedule.text: "50–75 %"
      source_category: "Snickare, Träarbetare (SSYK 7111)"
      title: "Snickare"
      validity.closes_at: "2026-01-31T22:59:59Z"
      validity.published_at: "2026-01-02T07:00:00Z"
      workplaces[0].address: "Spånvägen 4"
      workplaces[0].division.code: "SE-C"
      workplaces[0].division.scheme: "DIVISION_SCHEME_ISO3166_2"
      workplaces[0].location.latitude: 59.8
      workplaces[0].location.longitude: 17.6
      workplaces[0].town: "Uppsala"
    stream.jsonl:2 90 close 3 at 1767430800
    "#);
}

#[test]
fn hr_xml_open() {
    insta::assert_snapshot!(of("hr-xml/open.xml"), @r#"
    open.xml#0 ash-1
      application.url: "https://ask.example.no/s?a=1&b=2"
      contract_term: "CONTRACT_TERM_PERMANENT"
      description: "<p>Legg rør.</p>"
      employer.industry_code.code: "F43.2.2"
      employer.industry_code.scheme: "NACE-2"
      employer.legal_ids[0].scheme: "NO-ORGNR"
      employer.legal_ids[0].value: "900000001"
      employer.name: "ASK RØR AS"
      employment_types: ["EMPLOYMENT_TYPE_FULL_TIME"]
      language: "no"
      occupations[0].code: "7126"
      occupations[0].scheme: "OCCUPATION_SCHEME_ISCO_08"
      openings: 2
      pay.currency: "NOK"
      pay.max_minor: 35050
      pay.min_minor: 31000
      pay.unit: "PAY_UNIT_HOUR"
      requirements.education: "EDUCATION_LEVEL_VOCATIONAL"
      requirements.experience_months_min: 18
      requirements.languages[0].language: "en"
      requirements.languages[0].level: "B1"
      requirements.languages[0].required: true
      requirements.languages[1].language: "no"
      requirements.languages[1].required: true
      requirements.licences: ["B"]
      requirements.skills[0].code: "http://data.europa.eu/esco/skill/00000000-0000-4000-8000-000000000000"
      requirements.skills[0].name: "lay pipes"
      requirements.skills[0].required: true
      requirements.skills[0].scheme: "ESCO"
      starts_on: "2026-03-01"
      title: "Rørlegger & montør"
      validity.closes_at: "2026-03-20T23:59:59Z"
      validity.published_at: "2026-02-01T00:00:00Z"
      workplaces[0].address: "Ventilveien 6"
      workplaces[0].division.code: "NO"
      workplaces[0].division.scheme: "DIVISION_SCHEME_ISO3166_2"
      workplaces[0].postal_code: "9008"
      workplaces[0].town: "TROMSØ (NO074)"
      ! workplaces DivisionUnknown: only the country NO was found <TROMSØ, NO>
    "#);
}

#[test]
fn hr_xml_several() {
    insta::assert_snapshot!(of("hr-xml/several.xml"), @r#"
    several.xml#0 ash-2 close 3 at 1769990400
    several.xml#1 REJECTED ?  Malformed
    several.xml#2 REJECTED ash-4 workplaces DivisionUnknown
    "#);
}

#[test]
fn csv_with_a_mapping() {
    let all = read(&fixture("csv/jobs.csv"), with_mapping());
    insta::assert_snapshot!(shown(&all[..3]), @r#"
    jobs.csv:2 elm:9b12581d618d25d53e36671ff32b1f95
      benefits: ["包吃","包住"]
      employer.name: "榆树蜂业有限公司"
      employer.size: "EMPLOYER_SIZE_20_TO_99"
      employment_types: ["EMPLOYMENT_TYPE_FULL_TIME"]
      language: "zh-Hans"
      pay.currency: "CNY"
      pay.max_minor: 1200000
      pay.min_minor: 800000
      pay.months_per_year: 13
      pay.text: "8-12K·13薪"
      pay.unit: "PAY_UNIT_MONTH"
      requirements.education: "EDUCATION_LEVEL_SHORT_TERTIARY"
      requirements.education_text: "大专及以上"
      requirements.experience_months_max: 36
      requirements.experience_months_min: 12
      requirements.experience_text: "1-3年"
      source_category: "grove"
      title: "养蜂员"
      validity.published_at: "2026-02-28T16:00:00Z"
      workplaces[0].division.code: "330106"
      workplaces[0].division.scheme: "DIVISION_SCHEME_GBT2260"
    jobs.csv:3 elm:1385d00e936ad77b92c39e934c0c1bc3
      employer.name: "未公开"
      employment_types: ["EMPLOYMENT_TYPE_PART_TIME"]
      language: "zh-Hans"
      pay.text: "面议"
      requirements.education: "EDUCATION_LEVEL_BACHELOR"
      requirements.education_text: "本科"
      requirements.experience_months_min: 0
      requirements.experience_text: "经验不限"
      source_category: "grove"
      title: "园丁"
      validity.published_at: "2026-03-01T16:00:00Z"
      workplaces[0].address: "北京市海淀区榆树路1号"
      workplaces[0].division.code: "110108"
      workplaces[0].division.scheme: "DIVISION_SCHEME_GBT2260"
      ! employer.name Required: set to "未公开": nothing was said <点击查看地图>
    jobs.csv:6 oak:0ce096f1fe20ef069bd7ad2121cd5d01
      benefits: ["五险一金","年终奖"]
      employer.name: "橡树家具厂"
      employer.size: "EMPLOYER_SIZE_UNDER_20"
      employment_types: ["EMPLOYMENT_TYPE_FULL_TIME"]
      language: "zh-Hans"
      pay.currency: "CNY"
      pay.max_minor: 20000000
      pay.min_minor: 15000000
      pay.text: "15-20万"
      pay.unit: "PAY_UNIT_YEAR"
      requirements.education: "EDUCATION_LEVEL_ANY"
      requirements.education_text: "学历不限"
      requirements.experience_months_min: 0
      requirements.experience_text: "应届毕业生"
      source_category: "grove"
      target_groups: ["TARGET_GROUP_GRADUATES"]
      title: "木匠"
      workplaces[0].division.code: "440305"
      workplaces[0].division.scheme: "DIVISION_SCHEME_GBT2260"
      ! employer.size CodeNormalised: taken as EMPLOYER_SIZE_UNDER_20, the class of the middle <0-20人>
    "#);
}

#[test]
fn csv_with_odd_rows() {
    let all = read(&fixture("csv/jobs.csv"), with_mapping());
    insta::assert_snapshot!(shown(&all[3..]), @r#"
    jobs.csv:7 oak:c021ef64452eb2ffd2c0bae16a67c5b9
      employer.name: "橡树家具厂"
      language: "zh-Hans"
      pay.currency: "CNY"
      pay.max_minor: 900000
      pay.min_minor: 600000
      pay.unit: "PAY_UNIT_MONTH"
      requirements.education: "EDUCATION_LEVEL_UPPER_SECONDARY"
      requirements.education_text: "高中"
      requirements.experience_months_min: 36
      requirements.experience_text: "3年以上"
      source_category: "grove"
      title: "漆工"
      workplaces[0].division.code: "110000"
      workplaces[0].division.scheme: "DIVISION_SCHEME_GBT2260"
      workplaces[1].division.code: "310000"
      workplaces[1].division.scheme: "DIVISION_SCHEME_GBT2260"
      ! employment_types UnknownChoice: left out: not a kind of employment that is known <X>
      ! validity.published_at BadFormat: left out: not a day or time <not a day>
    jobs.csv:8 REJECTED oak:83df7dd18752fba3dda36ee384dc4f01 workplaces DivisionUnknown
    jobs.csv:9 REJECTED ?  Malformed
    jobs.csv:10 elm:9b12581d618d25d53e36671ff32b1f95
      benefits: ["包吃","包住"]
      employer.name: "榆树蜂业有限公司"
      employer.size: "EMPLOYER_SIZE_20_TO_99"
      employment_types: ["EMPLOYMENT_TYPE_FULL_TIME"]
      language: "zh-Hans"
      pay.currency: "CNY"
      pay.max_minor: 1200000
      pay.min_minor: 800000
      pay.months_per_year: 13
      pay.text: "8-12K·13薪"
      pay.unit: "PAY_UNIT_MONTH"
      requirements.education: "EDUCATION_LEVEL_SHORT_TERTIARY"
      requirements.education_text: "大专及以上"
      requirements.experience_months_max: 36
      requirements.experience_months_min: 12
      requirements.experience_text: "1-3年"
      source_category: "grove"
      title: "养蜂员"
      validity.published_at: "2026-02-28T16:00:00Z"
      workplaces[0].division.code: "330106"
      workplaces[0].division.scheme: "DIVISION_SCHEME_GBT2260"
    jobs.csv:11 REJECTED ?  Malformed
    "#);
}

fn of(name: &str) -> String {
    shown(&read(&fixture(name), Options::default()))
}
