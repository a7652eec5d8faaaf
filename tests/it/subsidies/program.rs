//! The commands, as somebody who writes a programme uses them.

use serde_json::Value;

use crate::program::{done, failed, peshub};
use crate::support::cluster::directory;
use crate::support::subsidies::{EXPANSION, path};

fn own() -> String {
    path(&format!("{EXPANSION}.yaml")).display().to_string()
}

#[test]
fn a_programme_is_linted_and_tested_without_a_hub() {
    let told = done(peshub().args(["programmes", "lint", &own()]));
    assert!(told.contains("3 versions · sound"), "{told}");
    let told = done(peshub().args(["programmes", "test", &own()]));
    assert!(told.contains("ok    cn.expansion-grant birthday-25"), "{told}");
    assert!(told.ends_with("15 cases are right\n"), "{told}");
}

#[test]
fn what_is_wrong_is_drawn_and_what_is_different_is_told() {
    let folder = directory("programmes");
    let facts = path("catalogue.yaml").display().to_string();
    let spoil = |name: &str, was: &str, is: &str| {
        let text = std::fs::read_to_string(own()).unwrap();
        assert!(text.contains(was), "{was}");
        let file = folder.join(name);
        std::fs::write(&file, text.replace(was, is)).unwrap();
        file.display().to_string()
    };
    let typo =
        spoil("typo.yaml", "expression: hire.contract_signed", "expression: hire.contract_singed");
    let mut lint = peshub();
    let output = lint.args(["programmes", "lint", &typo, "--facts", &facts]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let told = String::from_utf8(output.stdout).unwrap();
    for part in [
        "versions[0].criteria[2].expression: FACT_UNDECLARED: 1:1",
        "hire.contract_singed\n",
        "^^^^",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let said = failed(peshub().args(["programmes", "test", &typo, "--facts", &facts]), 1);
    assert!(said.contains("FACT_UNDECLARED"), "{said}");
    let form = spoil("form.yaml", "payee: employer", "payee: nobody");
    let said = failed(peshub().args(["programmes", "lint", &form, "--facts", &facts]), 1);
    assert!(said.contains("form.yaml") && said.contains("line"), "{said}");
    let sum = spoil("sum.yaml", "  amount: 150000\n", "  amount: 150001\n");
    let said = failed(peshub().args(["programmes", "test", &sum, "--facts", &facts]), 1);
    assert!(said.contains("of 15 cases are wrong"), "{said}");

    let wider = spoil("wider.yaml", "<= 24", "<= 25");
    let arguments = ["programmes", "diff", &own(), &wider, "--facts", &facts];
    let told = done(peshub().args(arguments));
    assert!(told.contains("gains: not eligible → eligible by target_group, 0 → 150000"), "{told}");
    let told = done(peshub().args(arguments).arg("--json"));
    let told: Value = serde_json::from_str(&told).unwrap();
    assert!(told["witnesses"].as_array().is_some_and(|it| !it.is_empty()), "{told}");
    std::fs::remove_dir_all(folder).unwrap();
}
