// Command quorate-coredns is CoreDNS with the few plugins that the end-to-end
// tests need. Upstream's own main links every plugin and with them the client
// libraries of several clouds.
package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/ready"
)

func init() {
	// Plugins run in the order of this list, whatever the Corefile's order is.
	dnsserver.Directives = []string{
		"bind", "ready", "errors", "cache", "kubernetes",
	}
}

func main() { coremain.Run() }
