package app

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	agentconfig "github.com/faultline/faultline/agent/config"
	"github.com/faultline/faultline/agent/enrol"
	"github.com/faultline/faultline/agent/link"
)

// newLink makes the way to the collector. An agent that was enrolled is known by
// its certificate, which is returned too; another by its token.
func newLink(cfg agentconfig.Config, version string) (*link.Client, *enrol.Identity, error) {
	o := link.Options{URL: cfg.Collector.URL, UserAgent: "faultline-agent/" + version}
	id, err := enrol.Open(cfg.Data)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		id = nil
		o.Token = cfg.Collector.Token.Reveal
		if o.TLS, err = authorities(cfg.Collector.CAFile); err != nil {
			return nil, nil, err
		}
	case err != nil:
		return nil, nil, err
	default:
		agent, _ := id.Agent()
		if agent != cfg.Agent {
			return nil, nil, fmt.Errorf("the configuration says agent %q, this machine is enrolled as %q: make agent: %s", cfg.Agent, agent, agent)
		}
		o.Credential = id
		_, o.Proxy = id.URL()
	}
	client, err := link.New(o)
	return client, id, err
}

// authorities reads whom the collector's certificate may be signed by; nil are
// the system's.
func authorities(file string) (*tls.Config, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("collector.ca_file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("collector.ca_file: no certificate in %s", file)
	}
	return &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}
