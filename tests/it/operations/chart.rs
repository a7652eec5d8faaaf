//! The chart and the image against the program: it is started with exactly what a render gives.
//!
//! That the renders are those of Helm's own engine is held by `just helm`.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use peshub::platform::keys::Keys;
use peshub::platform::pki::{self, TRUST_DOMAIN};
use serde_json::Value;

use crate::operations::doctor::execute;
use crate::operations::migrations::{Serving, free_address, http_status};
use crate::operations::root;
use crate::program::{done, peshub, text};
use crate::support::{World, cluster, story, until};

const PLATFORM: &str = "platform-north";

/// Returns the objects of a render.
fn rendered(case: &str) -> Vec<Value> {
    let path = root().join("helm/golden").join(format!("{case}.yaml"));
    let text = std::fs::read_to_string(path).expect("a render");
    let objects = text.split("\n---\n").filter(|part| part.contains("\nkind: "));
    objects.map(|part| serde_saphyr::from_str(part).expect("an object")).collect()
}

fn object<'a>(objects: &'a [Value], kind: &str, component: &str) -> &'a Value {
    let label = |it: &Value| {
        let labels =
            it.pointer("/spec/template/metadata/labels").or(it.pointer("/metadata/labels"));
        labels.is_some_and(|it| {
            component.is_empty() || it["app.kubernetes.io/component"] == component
        })
    };
    let found = objects.iter().find(|it| it["kind"] == kind && label(it));
    found.unwrap_or_else(|| panic!("no {kind} {component}"))
}

/// A container of a render, and what stands for the cluster around it.
struct Container<'a> {
    spec: &'a Value,
    /// Where mounted files are in truth, by where the container sees them.
    mounts: BTreeMap<String, String>,
    /// Which free ports stand for those of the container, of which this machine may have others.
    ports: BTreeMap<u64, SocketAddr>,
    /// What Secrets hold, by variable.
    secrets: BTreeMap<&'static str, String>,
}

impl<'a> Container<'a> {
    fn new(spec: &'a Value, dir: &Path) -> Self {
        let mounts = spec["volumeMounts"].as_array().into_iter().flatten().map(|mount| {
            let path = mount["mountPath"].as_str().unwrap();
            assert_eq!(mount["readOnly"], true, "{path}");
            (path.to_owned(), format!("{}{path}", dir.display()))
        });
        let ports = spec["ports"].as_array().into_iter().flatten();
        let ports = ports.map(|port| (port["containerPort"].as_u64().unwrap(), free_address()));
        Self { spec, mounts: mounts.collect(), ports: ports.collect(), secrets: BTreeMap::new() }
    }

    /// Returns a value of the render as it is on this machine.
    fn value(&self, value: &str) -> String {
        if let Some((_, port)) = value.split_once("0.0.0.0:") {
            let port = port.parse().expect("a port");
            return self.ports.get(&port).expect("a port of the container").to_string();
        }
        if value.starts_with("/etc/") {
            // What is not mounted is not there.
            let (seen, truth) = self
                .mounts
                .iter()
                .find(|(seen, _)| value.starts_with(*seen) || seen.starts_with(value))
                .unwrap_or_else(|| panic!("{value} is not mounted"));
            let root = truth.strip_suffix(seen.as_str()).unwrap();
            return format!("{root}{value}");
        }
        value.to_owned()
    }

    /// Returns the command, with exactly the arguments and the variables that the render gives.
    fn command(&self) -> Command {
        let mut command = peshub();
        command.env("HOME", "/nonexistent");
        for argument in self.spec["args"].as_array().unwrap() {
            command.arg(argument.as_str().unwrap());
        }
        for variable in self.spec["env"].as_array().unwrap() {
            let name = variable["name"].as_str().unwrap();
            let value = match variable["value"].as_str() {
                Some(value) => self.value(value),
                None => self.secrets.get(name).expect("a Secret").clone(),
            };
            command.env(name, value);
        }
        command
    }

    fn address(&self, port: &Value) -> SocketAddr {
        let ports = self.spec["ports"].as_array().unwrap();
        let found = ports.iter().find(|it| it["name"] == *port).expect("a port by its name");
        self.ports[&found["containerPort"].as_u64().unwrap()]
    }
}

/// Puts the files of the `Secret`s and `ConfigMap`s of a default render where its mounts are.
fn furnish(world: &World, dir: &Path) {
    let tls = dir.join("etc/peshub/tls");
    let trust = dir.join("etc/peshub/trust").join("pilot.example");
    let keys = dir.join("etc/peshub/keys");
    for folder in [&tls, &trust, &keys] {
        std::fs::create_dir_all(folder).unwrap();
    }
    let server = world.ca.server().unwrap();
    std::fs::write(tls.join("tls.crt"), server.certificate).unwrap();
    std::fs::write(tls.join("tls.key"), server.key).unwrap();
    std::fs::write(trust.join("ca.pem"), world.ca.certificate()).unwrap();
    Keys::open_or_create(&keys).unwrap();
    // The authority of these tests speaks for another domain than the one of the render's values.
    std::fs::rename(&trust, trust.with_file_name(TRUST_DOMAIN)).unwrap();
}

#[test]
fn the_program_runs_with_exactly_what_a_default_render_gives() {
    story(async |world| {
        let objects = rendered("minimal");
        let dir = cluster::directory("chart");
        furnish(world, &dir);
        let url = cluster::url(&world.options);

        // First the Job of the migrations.
        let job = object(&objects, "Job", "migrate");
        let mut job = Container::new(&job["spec"]["template"]["spec"]["containers"][0], &dir);
        job.secrets.insert("PESHUB_DATABASE_URL", url.clone());
        assert!(done(&mut job.command()).lines().all(|line| line.ends_with(" applied")));

        // Then the hub. Its demo participants are of production here.
        execute(&world.options, "UPDATE participant_system SET environment = 1").await;
        let deployment = object(&objects, "Deployment", "hub");
        let mut hub =
            Container::new(&deployment["spec"]["template"]["spec"]["containers"][0], &dir);
        hub.secrets.insert("PESHUB_DATABASE_URL", url);
        let mut serving = Serving::start(&mut hub.command(), &dir);
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            let get = &hub.spec[probe]["httpGet"];
            let (address, path) = (hub.address(&get["port"]), get["path"].as_str().unwrap());
            let answers = || (http_status(address, path) == Some(200)).then_some(());
            until(probe, async || answers()).await;
        }
        let lines = serving.said();
        let line: Value = serde_json::from_str(lines.lines().next().unwrap()).expect("JSON logs");
        assert!(line["level"].is_string(), "{line}");

        // The Service leads to the port that is listened on.
        let service = object(&objects, "Service", "");
        let grpc = hub.address(&service["spec"]["ports"][0]["targetPort"]);

        // Then the test of the release, over mutual TLS, as another render has it.
        let everything = rendered("everything");
        let pod = object(&everything, "Pod", "test");
        let ping = Container::new(&pod["spec"]["containers"][0], &dir);
        let client = dir.join("etc/peshub/client");
        std::fs::create_dir_all(&client).unwrap();
        let identity = world.ca.participant(PLATFORM).unwrap();
        pki::write_private(&client.join("tls.crt"), &identity.certificate).unwrap();
        pki::write_private(&client.join("tls.key"), &identity.key).unwrap();
        pki::write_private(&client.join("ca.crt"), &world.ca.certificate()).unwrap();
        let call = || {
            let mut command = ping.command();
            // There is no DNS of the cluster, and the certificate is for this machine.
            command.env("PESHUB_HUB", format!("https://{grpc}")).env("PESHUB_DOMAIN", "localhost");
            command
        };
        let said = done(&mut call());
        assert!(said.contains("SERVING, known as platform-north"), "{said}");
        let told: Value = serde_json::from_str(&done(call().arg("--json"))).unwrap();
        assert_eq!((&told["status"], &told["caller"]), (&"SERVING".into(), &PLATFORM.into()));

        assert!(serving.terminate(), "it ends well when it is told to");
        let gone = call().output().unwrap();
        assert_eq!(gone.status.code(), Some(1), "a test that cannot fail tests nothing");
    });
}

/// Settings of `serve` that a pod has no use for.
const NOT_IN_THE_CHART: [&str; 2] = [
    // A pod has no database of its own.
    "PESHUB_DATA_DIR",
    // Values are the chart's configuration file.
    "PESHUB_CONFIG",
];

fn variables(container: &Value) -> BTreeSet<String> {
    let variables = container["env"].as_array().unwrap().iter();
    variables.map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn every_setting_of_a_hub_is_a_value_of_the_chart() {
    let program = peshub::cli::definition();
    let serve = program.find_subcommand("serve").unwrap();
    let settings: BTreeSet<String> = serve
        .get_arguments()
        .chain(program.get_arguments())
        .filter_map(|argument| argument.get_env()?.to_str())
        .filter(|name| !NOT_IN_THE_CHART.contains(name))
        .map(ToOwned::to_owned)
        .collect();
    let everything = rendered("everything");
    let hub = object(&everything, "Deployment", "hub");
    let given = variables(&hub["spec"]["template"]["spec"]["containers"][0]);
    assert_eq!(given, settings);
}

#[test]
fn every_pod_of_every_render_has_no_rights() {
    for case in ["minimal", "everything", "one-replica", "no-migrations"] {
        let mut pods = 0;
        for object in rendered(case) {
            let pod = if object["kind"] == "Pod" {
                &object["spec"]
            } else {
                &object["spec"]["template"]["spec"]
            };
            let Some(containers) = pod["containers"].as_array() else { continue };
            pods += 1;
            assert_eq!(pod["automountServiceAccountToken"], false);
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            for container in
                containers.iter().chain(pod["initContainers"].as_array().into_iter().flatten())
            {
                let context = &container["securityContext"];
                assert_eq!(context["readOnlyRootFilesystem"], true);
                assert_eq!(context["allowPrivilegeEscalation"], false);
                assert_eq!(context["capabilities"]["drop"], serde_json::json!(["ALL"]));
                assert!(
                    container["image"].as_str().unwrap().contains("peshub"),
                    "no image but the hub's"
                );
            }
        }
        assert!(pods > 0, "{case}");
    }
}

/// What is wrong with a Containerfile.
fn faults(containerfile: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let lines = || containerfile.lines().filter(|line| !line.starts_with('#'));
    for step in lines().filter_map(|line| line.strip_prefix("RUN ")) {
        let script = root().join(step.split(' ').next().unwrap());
        let is_script = step.starts_with("scripts/") && script.is_file();
        if !is_script || step.contains("&&") || step.contains(';') {
            faults.push(format!("{step:?} is no script of the repository"));
        }
    }
    let toolchain = std::fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let channel = toolchain.split('"').nth(1).expect("a toolchain");
    if !containerfile.contains(&format!("RUSTUP_TOOLCHAIN={channel}\n")) {
        faults.push(format!("the image's toolchain is not said to be {channel}"));
    }
    let from: Vec<_> = lines().filter_map(|line| line.strip_prefix("FROM ")).collect();
    match from.as_slice() {
        [build, "scratch"] if build.starts_with(&format!("rust:{channel}-")) => {}
        other => faults.push(format!("{other:?} are not the toolchain {channel} and nothing")),
    }
    let last = containerfile.split("FROM scratch").last().unwrap();
    for needed in
        ["USER 65532:65532", "ENTRYPOINT [\"/usr/bin/peshub\"]", "COPY --from=build /image/ /"]
    {
        if !last.contains(needed) {
            faults.push(format!("{needed} is missing"));
        }
    }
    faults
}

#[test]
fn the_image_is_built_by_the_scripts_that_are_there() {
    let containerfile = std::fs::read_to_string(root().join("Containerfile")).unwrap();
    assert_eq!(faults(&containerfile), Vec::<String>::new());
    for (from, to) in [
        ("scripts/build-release", "scripts/build-image"),
        ("RUN scripts/build-release", "RUN cargo build --release"),
        ("USER 65532:65532", "USER root"),
        ("FROM scratch", "FROM debian:12"),
        ("rust:", "rust:9"),
        ("RUSTUP_TOOLCHAIN=", "RUSTUP_TOOLCHAIN=9"),
    ] {
        let spoilt = containerfile.replace(from, to);
        assert_ne!(spoilt, containerfile, "{from}");
        assert_ne!(faults(&spoilt), Vec::<String>::new(), "{to} is not noticed");
    }
    // CI calls the same scripts by their recipes.
    let recipes = std::fs::read_to_string(root().join("justfile")).unwrap();
    for script in ["scripts/build-release", "scripts/image-root"] {
        assert!(recipes.contains(script), "{script}");
    }
}

#[test]
fn the_root_of_the_image_has_all_that_the_program_needs() {
    let image = cluster::directory("image").join("root");
    let mut lay_out = Command::new(root().join("scripts/image-root"));
    let status = lay_out.arg(env!("CARGO_BIN_EXE_peshub")).arg(&image).status();
    assert!(status.unwrap().success());
    assert!(std::fs::read_to_string(image.join("etc/passwd")).unwrap().contains("65532"));
    let certificates = image.join("etc/ssl/certs/ca-certificates.crt");
    assert_eq!(certificates.exists(), Path::new("/etc/ssl/certs/ca-certificates.crt").exists());
    // The loader takes nothing but what lies in the image.
    let mut loaders = Vec::new();
    let mut folders = BTreeSet::new();
    let mut open = vec![image.clone()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if name.starts_with("ld-") || name.starts_with("ld.") {
                loaders.push(path);
            } else if name.contains(".so") {
                folders.insert(path.parent().unwrap().display().to_string());
            }
        }
    }
    let libraries = folders.into_iter().collect::<Vec<_>>().join(":");
    let run = Command::new(loaders.first().expect("a loader"))
        .args(["--inhibit-cache", "--library-path", &libraries])
        .arg(image.join("usr/bin/peshub"))
        .arg("--version")
        .env_clear()
        .output()
        .unwrap();
    assert!(text(&run.stdout).starts_with("peshub "), "{}", text(&run.stderr));
}
