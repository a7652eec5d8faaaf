//! The commands, as somebody uses them.

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::support::{story, until};
use crate::workers::people::let_erase;
use crate::workers::planted::Logged;

const NUMBER: &str = "11010519491231002X";

fn run(hub: &Logged, who: &str, arguments: &[&str], input: &str) -> (bool, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_peshub"));
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("PESHUB_") {
            command.env_remove(name);
        }
    }
    command.arg("workers").args(arguments).args(["--hub", &hub.address, "--as", who]);
    command.arg("--data-dir").arg(&hub.data_dir);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().expect("its end");
    let said = String::from_utf8_lossy(&output.stdout).into_owned()
        + &String::from_utf8_lossy(&output.stderr);
    (output.status.success(), said.trim().to_owned())
}

#[test]
fn a_worker_is_registered_read_and_erased_with_the_program() {
    story(async |world| {
        let hub = Logged::start(&world.options);
        let bureau = "bureau-xihu";
        let done = |who: &str, arguments: &[&str], input: &str| {
            let (is_good, said) = run(&hub, who, arguments, input);
            assert!(is_good, "{arguments:?}: {said}");
            said
        };
        let person = hub.data_dir.join("person.toml");
        std::fs::write(&person, "native_name = \"驫厵纞\"\ntelephone = [\"+86 199 0000 0000\"]\n")
            .unwrap();
        let person = person.display().to_string();
        let of_north =
            done("platform-north", &["register", "--person", &person], &format!("{NUMBER}\n"));
        let reference = done(bureau, &["register", "-"], "110105 19491231 002x");
        assert_ne!(of_north, reference);
        let why = ["--purpose", "a course", "--law", "an article"];
        let arguments = [&["get", &reference, "--field", "native-name"][..], &why].concat();
        let told: Value = serde_json::from_str(&done(bureau, &arguments, "")).unwrap();
        assert_eq!(told["person"]["native_name"], "驫厵纞");
        assert_eq!(told["person"].get("contacts"), None);
        let listed = done(bureau, &["disclosures", &reference], "");
        assert!(listed.ends_with("bureau-xihu: a course (an article)"), "{listed}");
        let listed: Value =
            serde_json::from_str(&done(bureau, &["disclosures", &reference, "--json"], ""))
                .unwrap();
        let entry = listed["entry_id"].as_str().unwrap().to_owned();
        let proof = until("the proof", async || {
            let (is_good, said) = run(&hub, bureau, &["prove", &reference, &entry], "");
            is_good.then_some(said)
        });
        let proof: Value = serde_json::from_str(&proof.await).unwrap();
        assert!(proof.to_string().contains("a course"), "{proof}");
        done("platform-north", &["update", &of_north], "latin_name = \"Brynkvexo\"");
        let arguments = [&["get", &reference, "--field", "latin-name"][..], &why].concat();
        assert!(done(bureau, &arguments, "").contains("Brynkvexo"));
        // What is wrong is said without what it is about.
        let (is_good, said) = run(&hub, bureau, &["register"], "110105194912310021");
        assert!(
            !is_good && said.contains("national_id.number") && !said.contains("1949"),
            "{said}"
        );
        let (is_good, said) = run(&hub, bureau, &["update", &reference], "name = \"驫厵纞\"");
        assert!(!is_good && !said.contains("驫厵纞"), "{said}");
        let (is_good, said) = run(&hub, bureau, &["erase", &reference], "");
        assert!(!is_good && said.contains("ACTION_NOT_GRANTED"), "{said}");
        let_erase(&world.pool, &hub.workers(bureau).await, bureau).await;
        done(bureau, &["erase", &reference], "");
        let (is_good, said) = run(&hub, bureau, &arguments, "");
        assert!(!is_good && said.contains("WORKER_ERASED"), "{said}");
    });
}
