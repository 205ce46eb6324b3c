// Package versions is how a process comes into force: published by one person,
// approved by another, never changed afterwards. Incidents stay on the version
// they opened with; they are moved only by an explicit map of steps. It is pure:
// records in, records out; a Store keeps them.
package versions

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/process/lint"
)

// State is how far a version has come.
type State string

// States of a version.
const (
	Published State = "published" // waits for its approval
	Approved  State = "approved"  // in force from then on, until a later one is
	Rejected  State = "rejected"
)

// Version is one version of a process and who is responsible for it.
type Version struct {
	ID          string         `json:"id"`
	Number      int            `json:"version"`
	Ref         string         `json:"ref"`    // id@version#hash, as incidents name it
	Hash        string         `json:"sha256"` // of the whole text
	Text        string         `json:"text"`
	State       State          `json:"state"`
	PublishedBy incident.Actor `json:"published_by"`
	PublishedAt time.Time      `json:"published_at"`
	Comment     string         `json:"comment"` // why it is published
	DecidedBy   incident.Actor `json:"decided_by,omitzero"`
	DecidedAt   time.Time      `json:"decided_at,omitzero"`
	Reason      string         `json:"reason,omitempty"` // of a rejection
}

// Store keeps versions. Add fails with ErrExists when the id and number are
// taken; Decide fails with ErrState when the version is not published any more.
// Nothing is ever deleted or overwritten.
type Store interface {
	Versions(ctx context.Context, id string) ([]Version, error) // in order of their numbers
	Add(ctx context.Context, v Version) error
	Decide(ctx context.Context, v Version) error
}

// Errors a caller tells apart.
var (
	ErrExists   = errors.New("this version exists already: count on")
	ErrState    = errors.New("it was decided already")
	ErrSelf     = errors.New("who published a version does not approve it")
	ErrUnsigned = errors.New("a version is published and approved by a person who is named")
	ErrChanged  = errors.New("the text is not what was published")
)

// Unclean is the error of a process that must not be published.
type Unclean struct{ Findings []lint.Finding }

// Error says how much was found and the first of it.
func (e *Unclean) Error() string {
	return fmt.Sprintf("lint finds %d things, the first: %s", len(e.Findings), e.Findings[0])
}

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func signed(a incident.Actor) bool { return a.Kind == "person" && a.ID != "" }

// Publish makes a version of the text. It must load and lint clean, and its
// number must be higher than that of every version before it.
func Publish(text []byte, by incident.Actor, comment string, now time.Time, before []Version, o lint.Options) (Version, error) {
	found, d := lint.Check("process.yaml", text, o)
	switch {
	case !signed(by):
		return Version{}, ErrUnsigned
	case d == nil || !lint.Clean(found):
		return Version{}, &Unclean{slices.DeleteFunc(found, func(f lint.Finding) bool { return !f.Error })}
	case comment == "":
		return Version{}, errors.New("say in a comment why the process changes")
	}
	for _, v := range before {
		switch {
		case v.ID != d.ID:
			continue
		case v.Number == d.Version:
			return Version{}, fmt.Errorf("%s@%d: %w", d.ID, d.Version, ErrExists)
		case v.Number > d.Version:
			return Version{}, fmt.Errorf("%s@%d: version %d is there already: %w", d.ID, d.Version, v.Number, ErrExists)
		}
	}
	return Version{ID: d.ID, Number: d.Version, Ref: d.Ref(), Hash: hash(string(text)), Text: string(text), State: Published,
		PublishedBy: by, PublishedAt: now, Comment: comment}, nil
}

// Approve brings the version into force.
func Approve(v Version, by incident.Actor, now time.Time) (Version, error) {
	return decide(v, by, now, Approved, "")
}

// Reject ends the version; a better one has a number of its own.
func Reject(v Version, by incident.Actor, reason string, now time.Time) (Version, error) {
	if reason == "" {
		return v, errors.New("say why it is rejected")
	}
	return decide(v, by, now, Rejected, reason)
}

func decide(v Version, by incident.Actor, now time.Time, to State, reason string) (Version, error) {
	switch {
	case v.State != Published:
		return v, fmt.Errorf("%s: %w", v.Ref, ErrState)
	case !signed(by):
		return v, ErrUnsigned
	case by.ID == v.PublishedBy.ID && to == Approved:
		return v, fmt.Errorf("%s: %w", v.Ref, ErrSelf)
	case Check(v) != nil:
		return v, Check(v)
	}
	v.State, v.DecidedBy, v.DecidedAt, v.Reason = to, by, now, reason
	return v, nil
}

// Check tells whether the text is still what was published.
func Check(v Version) error {
	d, err := process.Parse(v.Ref, []byte(v.Text))
	if err != nil {
		return err
	}
	if hash(v.Text) != v.Hash || d.Ref() != v.Ref {
		return fmt.Errorf("%s: %w", v.Ref, ErrChanged)
	}
	return nil
}

// InForce returns the version that incidents open with: of those approved the
// one with the highest number.
func InForce(list []Version, id string) (Version, bool) {
	var best Version
	for _, v := range list {
		if v.ID == id && v.State == Approved && v.Number > best.Number {
			best = v
		}
	}
	return best, best.Number > 0
}

// Definitions reads all approved versions; every one must be what was published.
// latest are the versions in force.
func Definitions(list []Version) (all, latest []*process.Definition, err error) {
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Version) int { return cmp.Or(cmp.Compare(a.ID, b.ID), cmp.Compare(a.Number, b.Number)) })
	for _, v := range list {
		if v.State != Approved {
			continue
		}
		if err := Check(v); err != nil {
			return nil, nil, err
		}
		d, err := process.Parse(v.Ref, []byte(v.Text))
		if err != nil {
			return nil, nil, err
		}
		all = append(all, d)
		if best, _ := InForce(list, v.ID); best.Ref == v.Ref {
			latest = append(latest, d)
		}
	}
	return all, latest, nil
}
