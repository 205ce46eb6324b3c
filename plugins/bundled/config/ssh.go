package config

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// HostKeyError says that a device shows another key than before: it was
// replaced, or somebody stands between.
type HostKeyError struct {
	Address, File string
	Want, Got     string // fingerprints
}

// Error says what to do.
func (e *HostKeyError) Error() string {
	hint := "if the device was replaced or reset, remove its line from " + e.File
	if e.File == "" {
		hint = "it is pinned by option host_key"
	}
	return fmt.Sprintf("host key of %s is %s and was %s; %s", e.Address, e.Got, e.Want, hint)
}

// knownHosts is a file in OpenSSH's form of the keys that devices showed first.
type knownHosts struct {
	file string
	mu   sync.Mutex // guards the file
}

// callback checks a device's key, and remembers the first one.
func (k *knownHosts) callback(address, pinned string) ssh.HostKeyCallback {
	return func(host string, remote net.Addr, key ssh.PublicKey) error {
		got := ssh.FingerprintSHA256(key)
		if pinned != "" {
			if got != pinned {
				return &HostKeyError{Address: address, Want: pinned, Got: got}
			}
			return nil
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		known, err := k.lookup(address, remote, key)
		if err != nil {
			return err
		}
		switch {
		case len(known) == 0:
			return k.add(address, key)
		case slices.ContainsFunc(known, func(k ssh.PublicKey) bool { return bytes.Equal(k.Marshal(), key.Marshal()) }):
			return nil
		}
		return &HostKeyError{Address: address, File: k.file, Want: ssh.FingerprintSHA256(known[0]), Got: got}
	}
}

// lookup returns the keys that the file has for the address.
func (k *knownHosts) lookup(address string, remote net.Addr, key ssh.PublicKey) ([]ssh.PublicKey, error) {
	check, err := knownhosts.New(k.file)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("known hosts: %w", err)
	}
	if remote == nil {
		remote = &net.TCPAddr{IP: net.IPv4zero}
	}
	err = check(address, remote, key)
	var other *knownhosts.KeyError
	switch {
	case err == nil:
		return []ssh.PublicKey{key}, nil
	case !errors.As(err, &other):
		return nil, fmt.Errorf("known hosts: %w", err)
	}
	var keys []ssh.PublicKey
	for _, w := range other.Want {
		keys = append(keys, w.Key)
	}
	return keys, nil
}

func (k *knownHosts) add(address string, key ssh.PublicKey) error {
	f, err := os.OpenFile(k.file, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("known hosts: %w", err)
	}
	_, err = fmt.Fprintln(f, knownhosts.Line([]string{address}, key))
	return errors.Join(err, f.Sync(), f.Close())
}

// algorithms are the kinds of keys that the file has for the address: another
// kind would be another key.
func (k *knownHosts) algorithms(address string) []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	keys, err := k.lookup(address, nil, noKey{})
	if err != nil {
		return nil
	}
	var kinds []string
	for _, key := range keys {
		if key.Type() == ssh.KeyAlgoRSA {
			kinds = append(kinds, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		}
		kinds = append(kinds, key.Type())
	}
	return kinds
}

// noKey is no device's key.
type noKey struct{}

// Type is none.
func (noKey) Type() string { return "none" }

// Marshal gives nothing.
func (noKey) Marshal() []byte { return []byte("none") }

// Verify always fails.
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }

// read logs in to the device and returns its configuration as shown.
func (in *Input) read(ctx context.Context, s *settings) (string, error) {
	c, err := in.config(s)
	if err != nil {
		return "", err
	}
	conn, err := in.opts.Dial(ctx, "tcp", s.address)
	if err != nil {
		return "", fmt.Errorf("connect: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	sc, channels, requests, err := ssh.NewClientConn(conn, s.address, c)
	if err != nil {
		return "", explained(ctx, err, s)
	}
	client := ssh.NewClient(sc, channels, requests)
	defer func() { _ = client.Close() }()
	session, err := client.NewSession()
	if err != nil {
		return "", explained(ctx, err, s)
	}
	defer func() { _ = session.Close() }()
	var text string
	if s.vendor.Mode == "exec" {
		text, err = in.execute(session, s)
	} else {
		text, err = in.converse(ctx, session, s)
	}
	if err != nil {
		return "", explained(ctx, err, s)
	}
	return text, s.vendor.check(text)
}

// explained says what is behind an error that does not say it.
func explained(ctx context.Context, err error, s *settings) error {
	var key *HostKeyError
	switch text := err.Error(); {
	case errors.As(err, &key):
		return key
	case ctx.Err() != nil:
		return fmt.Errorf("%w: %w", ctx.Err(), err)
	case strings.Contains(text, "unable to authenticate"):
		return fmt.Errorf("the device refuses user %s: %w", s.user, err)
	case strings.Contains(text, "no common algorithm"):
		return fmt.Errorf("the device offers old algorithms only, which option legacy allows: %w", err)
	}
	return err
}

// config says how to log in.
func (in *Input) config(s *settings) (*ssh.ClientConfig, error) {
	password := s.password.Reveal()
	if s.passwordFile != "" {
		b, err := in.secretFile(s.passwordFile)
		if err != nil {
			return nil, fmt.Errorf("password_file: %w", err)
		}
		password = strings.TrimRight(string(b), "\r\n")
	}
	var methods []ssh.AuthMethod
	if s.keyFile != "" {
		signer, err := in.signer(s)
		if err != nil {
			return nil, err
		}
		methods = append(methods, ssh.PublicKeys(signer))
	}
	if password != "" {
		methods = append(methods, ssh.Password(password), ssh.KeyboardInteractive(func(_, _ string, questions []string, echos []bool) ([]string, error) {
			answers := make([]string, len(questions))
			for i := range questions {
				if !echos[i] { // what is echoed is no password
					answers[i] = password
				}
			}
			return answers, nil
		}))
	}
	c := &ssh.ClientConfig{User: s.user, Auth: methods, HostKeyCallback: in.known.callback(s.address, s.hostKey), ClientVersion: "SSH-2.0-faultline"}
	if s.hostKey == "" {
		c.HostKeyAlgorithms = in.known.algorithms(s.address)
	}
	if s.legacy {
		good, old := ssh.SupportedAlgorithms(), ssh.InsecureAlgorithms()
		c.KeyExchanges, c.Ciphers, c.MACs = append(good.KeyExchanges, old.KeyExchanges...), append(good.Ciphers, old.Ciphers...), append(good.MACs, old.MACs...)
		if len(c.HostKeyAlgorithms) == 0 {
			c.HostKeyAlgorithms = append(good.HostKeys, old.HostKeys...)
		}
	}
	return c, nil
}

func (in *Input) signer(s *settings) (ssh.Signer, error) {
	pem, err := in.secretFile(s.keyFile)
	if err != nil {
		return nil, fmt.Errorf("key_file: %w", err)
	}
	var signer ssh.Signer
	if s.keyPass != "" {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(pem, []byte(s.keyPass.Reveal()))
	} else {
		signer, err = ssh.ParsePrivateKey(pem)
	}
	if err != nil {
		return nil, fmt.Errorf("key_file %s: %w", s.keyFile, err)
	}
	return signer, nil
}

// execute runs the command without a terminal.
func (in *Input) execute(session *ssh.Session, s *settings) (string, error) {
	out := &bounded{most: in.opts.MaxBytes}
	session.Stdout = out
	complaint := &bounded{most: 4096}
	session.Stderr = complaint
	err := session.Run(s.vendor.Command)
	if out.full {
		return "", fmt.Errorf("the configuration is larger than %d bytes", in.opts.MaxBytes)
	}
	var exit *ssh.ExitError
	var missing *ssh.ExitMissingError
	if errors.As(err, &exit) || errors.As(err, &missing) && out.b.Len() == 0 {
		return "", fmt.Errorf("%q: %w: %s", s.vendor.Command, err, strings.TrimSpace(complaint.b.String()))
	}
	if err != nil && missing == nil {
		return "", err
	}
	return strings.ReplaceAll(out.b.String(), "\r\n", "\n"), nil
}

// bounded keeps the first bytes written to it.
type bounded struct {
	b    bytes.Buffer
	most int
	full bool
}

// Write fails when there is no room.
func (w *bounded) Write(p []byte) (int, error) {
	if w.b.Len()+len(p) > w.most {
		w.full = true
		return 0, io.ErrShortBuffer
	}
	return w.b.Write(p)
}
