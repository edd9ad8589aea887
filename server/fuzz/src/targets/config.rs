//! What a person writes: `zoo.cfg`, the dynamic file, Java flags, the JAAS file.

use std::path::Path;

use quorate_server::config::{Flags, Settings};

use super::{joined, pieces};
use crate::Target;
use crate::dir::DataDir;

/// Four texts: the file, the dynamic file, `SERVER_JVMFLAGS`, the JAAS file.
pub(crate) const ZOO_CFG: Target = Target {
    name: "zoo-cfg",
    run: zoo_cfg,
    seeds,
};

fn zoo_cfg(data: &[u8]) {
    let mut texts = pieces(data).into_iter();
    let mut next = || texts.next().unwrap_or_default();
    let (file, dynamic, flags, jaas) = (next(), next(), next(), next());
    let dir = DataDir::with(&[("zoo.cfg", &file), ("dynamic", &dynamic), ("jaas", &jaas)]);
    let flags = String::from_utf8_lossy(&flags).into_owned();
    let at = |name: &str| dir.file(name);
    let flags = format!(
        "{flags} -Djava.security.auth.login.config={}",
        at("jaas").display()
    );
    let flags = Flags::collect(|name| (name == "SERVER_JVMFLAGS").then(|| flags.clone()));
    if let Err(why) = Settings::load(Path::new(&at("zoo.cfg")), None, &flags) {
        assert!(!why.to_string().is_empty(), "a refusal says why");
    }
}

fn seeds() -> Vec<Vec<u8>> {
    let texts = |texts: [&'static str; 4]| joined(&texts.map(|t| t.as_bytes().into()));
    vec![
        texts([
            "tickTime=2000\ndataDir=/data\nclientPort=2181\ninitLimit=5\nsyncLimit=2\n",
            "",
            "-Djute.maxbuffer=4194304 -Dzookeeper.extendedTypesEnabled=true",
            "Server { org.apache.zookeeper.server.auth.DigestLoginModule required user_bob=\"s\"; };",
        ]),
        texts([
            "dataDir=/data\ninitLimit=5\nsyncLimit=2\ndynamicConfigFile=dynamic\nssl.clientAuth=want\n",
            "server.1=h:1:2:participant;3\nserver.2=h2:1:2:observer;0.0.0.0:3\n",
            "-Dzookeeper.DigestAuthenticationProvider.superDigest='super:x'",
            "",
        ]),
    ]
}
