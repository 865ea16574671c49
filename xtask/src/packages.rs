//! Debian packages that the tests use for real: installed where that is possible, named where it is not.

use crate::run::{command, quiet};

/// Each package, and a command that shows that it is there.
const PACKAGES: [(&str, &str, &[&str]); 18] = [
    ("apache2-utils", "ab", &["-V"]),
    ("chromium", "chromium", &["--version"]),
    ("chromium-driver", "chromedriver", &["--version"]),
    ("curl", "curl", &["--version"]),
    // The tests run it with folders of their own; that of the system is not used.
    ("exim4-daemon-light", "exim4", &["-bV"]),
    ("haproxy", "haproxy", &["-v"]),
    ("libxml2-utils", "xmllint", &["--version"]),
    // The tests start servers of their own; that of the system is not used.
    ("mariadb-server", "/usr/sbin/mariadbd", &["--version"]),
    ("nghttp2-client", "h2load", &["--version"]),
    ("nginx-light", "nginx", &["-v"]),
    // The program in the search path starts nothing until /etc/nut/nut.conf says so.
    ("nut-server", "/lib/nut/upsd", &["-V"]),
    ("pgbackrest", "pgbackrest", &["version"]),
    // The client alone is not enough: the server is in no folder of the search path.
    ("postgresql", "sh", &["-c", "ls /usr/lib/postgresql/*/bin/postgres"]),
    // The tests start one of their own; that of the system is not used.
    ("prometheus", "prometheus", &["--version"]),
    // For amtool: no Alertmanager is started.
    ("prometheus-alertmanager", "amtool", &["--version"]),
    ("python3-venv", "python3", &["-c", "import ensurepip"]),
    ("redis-server", "redis-server", &["--version"]),
    ("wrk", "which", &["wrk"]),
];

/// Installs what is missing. Without root or apt it names what is missing; tests that need it say so and fail.
pub(crate) fn install() -> Result<(), String> {
    let missing: Vec<&str> =
        PACKAGES.iter().filter(|(_, program, args)| !quiet(program, args)).map(|(name, ..)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !quiet("apt-get", &["--version"]) || !quiet("test", &["-w", "/var/lib/dpkg"]) {
        println!("not installed, and not installable from here: {}", missing.join(", "));
        return Ok(());
    }
    command("apt-get", &["update", "-qq"], &[])?;
    let mut args = vec!["install", "-y", "-qq", "--no-install-recommends"];
    args.extend(missing);
    command("apt-get", &args, &[("DEBIAN_FRONTEND", "noninteractive")])
}
