//! The connect string: servers separated by commas, then maybe the path below which the client lives
//! (`org.apache.zookeeper.client.ConnectStringParser`).

use std::fmt;

use super::error::ClientError;
use super::path;

/// Where clients are served when the string names no port.
const PORT_DEFAULT: u16 = 2181;

/// One server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or literal address, without brackets.
    pub host: String,
    /// Client port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A connect string, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// At least one.
    pub servers: Vec<Address>,
    /// The path in front of every path of this client; empty when there is none.
    pub chroot: String,
}

impl Connect {
    /// Reads `host:port[,host:port..][/chroot]`.
    ///
    /// # Errors
    /// No server in it, a port that is none, or a bad path.
    pub fn parse(text: &str) -> Result<Self, ClientError> {
        let bad = |why: String| ClientError::Address {
            text: text.to_owned(),
            why,
        };
        let (servers, chroot) = match text.find('/') {
            Some(at) => text.split_at(at),
            None => (text, ""),
        };
        let chroot = if chroot == "/" { "" } else { chroot };
        if !chroot.is_empty() {
            path::validate(chroot, false).map_err(bad)?;
        }
        let servers: Result<Vec<_>, _> = servers
            .split(',')
            .map(str::trim)
            .filter(|server| !server.is_empty())
            .map(|server| parse_server(server).map_err(bad))
            .collect();
        let servers = servers?;
        if servers.is_empty() {
            return Err(bad("it names no server".into()));
        }
        Ok(Self {
            servers,
            chroot: chroot.to_owned(),
        })
    }
}

fn parse_server(text: &str) -> Result<Address, String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("a bracket is not closed")?;
            (host, port.strip_prefix(':'))
        }
        None => match text.rsplit_once(':') {
            // More than one colon and no brackets: an address of version 6 alone.
            Some((head, _)) if head.contains(':') => (text, None),
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let port = match port {
        None => PORT_DEFAULT,
        Some(port) => port.parse().map_err(|_| format!("{port:?} is no port"))?,
    };
    if host.is_empty() {
        return Err("a server has no name".into());
    }
    Ok(Address {
        host: host.to_owned(),
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_and_chroot() {
        let parsed = Connect::parse("a:1,b , [::1]:3,fe80::1/x/y").unwrap();
        let shown: Vec<String> = parsed.servers.iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["a:1", "b:2181", "[::1]:3", "[fe80::1]:2181"]);
        assert_eq!(parsed.chroot, "/x/y");
        assert_eq!(Connect::parse("a/").unwrap().chroot, "");
        for bad in ["", ",", "a:b", "a:1/x/", ":1", "[::1"] {
            assert!(Connect::parse(bad).is_err(), "{bad}");
        }
    }
}
