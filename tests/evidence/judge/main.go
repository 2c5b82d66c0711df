// Judges heads, proofs and keys with the libraries of others: golang.org/x/mod/sumdb/note and
// github.com/transparency-dev/merkle. Reads one JSON object per line, and answers each with "ok" or the reason why not.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/transparency-dev/formats/log"
	"github.com/transparency-dev/merkle/proof"
	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"
)

// question asks whether a note is signed by one of the keys; if it is a checkpoint of origin, whether leaf is in its
// tree, or whether it has grown from an earlier one.
type question struct {
	Keys        []string `json:"keys"`
	Note        []byte   `json:"note"`
	Origin      string   `json:"origin"`
	Leaf        []byte   `json:"leaf"`
	Index       uint64   `json:"index"`
	Inclusion   [][]byte `json:"inclusion"`
	Earlier     []byte   `json:"earlier"`
	Consistency [][]byte `json:"consistency"`
	Proves      string   `json:"proves"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<26)
	answers := bufio.NewWriter(os.Stdout)
	defer answers.Flush()
	for lines.Scan() {
		var asked question
		err := json.Unmarshal(lines.Bytes(), &asked)
		if err == nil {
			err = asked.judge()
		}
		if err != nil {
			fmt.Fprintln(answers, strings.ReplaceAll(err.Error(), "\n", " "))
		} else {
			fmt.Fprintln(answers, "ok")
		}
	}
	if err := lines.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func (asked question) judge() error {
	verifiers := make([]note.Verifier, 0, len(asked.Keys))
	for _, key := range asked.Keys {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return err
		}
		verifiers = append(verifiers, verifier)
	}
	switch asked.Proves {
	case "note":
		_, err := note.Open(asked.Note, note.VerifierList(verifiers...))
		return err
	case "head":
		_, err := asked.head(asked.Note, verifiers)
		return err
	case "inclusion":
		head, err := asked.head(asked.Note, verifiers)
		if err != nil {
			return err
		}
		leaf := rfc6962.DefaultHasher.HashLeaf(asked.Leaf)
		return proof.VerifyInclusion(rfc6962.DefaultHasher, asked.Index, head.Size, leaf, asked.Inclusion, head.Hash)
	case "consistency":
		earlier, err := asked.head(asked.Earlier, verifiers)
		if err != nil {
			return err
		}
		head, err := asked.head(asked.Note, verifiers)
		if err != nil {
			return err
		}
		return proof.VerifyConsistency(
			rfc6962.DefaultHasher, earlier.Size, head.Size, asked.Consistency, earlier.Hash, head.Hash)
	default:
		return fmt.Errorf("nothing to prove: %q", asked.Proves)
	}
}

// head opens a checkpoint that any of the keys has signed.
func (asked question) head(signed []byte, verifiers []note.Verifier) (*log.Checkpoint, error) {
	if len(verifiers) == 0 {
		return nil, fmt.Errorf("no key")
	}
	var failed error
	for _, verifier := range verifiers {
		head, _, _, err := log.ParseCheckpoint(signed, asked.Origin, verifier)
		if err == nil {
			return head, nil
		}
		failed = err
	}
	return nil, failed
}
