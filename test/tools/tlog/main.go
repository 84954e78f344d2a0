// Command tlog checks a log as others publish it, with Go's own implementation of signed notes and Merkle trees, and shares nothing with
// what made it.
//
//	tlog folder <verifier key> <folder>   a checkpoint, every tile under it, and every entry where there are entries
//	tlog proofs                           proofs from standard input, one a line; prints ok, or why not, for each:
//	                                      inclusion <size> <root> <index> <leaf> <hash>...
//	                                      consistency <old size> <old root> <size> <root> <hash>...
package main

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const (
	tileHeight = 8
	tileWidth  = 1 << tileHeight
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "tlog: error:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	switch {
	case len(arguments) == 3 && arguments[0] == "folder":
		return checkFolder(arguments[1], arguments[2])
	case len(arguments) == 1 && arguments[0] == "proofs":
		return checkProofs()
	}
	return errors.New("usage: tlog folder <verifier key> <folder> | tlog proofs")
}

// A folder of tiles, by the names of C2SP: what is tile/0/x001/067.p/12 there is tile/8/0/x001/067.p/12 to Go.
type folder string

func (folder) Height() int { return tileHeight }

func (folder) SaveTiles([]tlog.Tile, [][]byte) {}

func (f folder) read(path string) ([]byte, error) {
	return os.ReadFile(filepath.Join(string(f), filepath.FromSlash(path)))
}

func (f folder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	all := make([][]byte, len(tiles))
	for i, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		octets, err := f.read(path)
		if err != nil {
			return nil, err
		}
		if len(octets) != tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s: want=%d octets got=%d", path, tile.W*tlog.HashSize, len(octets))
		}
		all[i] = octets
	}
	return all, nil
}

func checkFolder(key, path string) error {
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return err
	}
	text, err := folder(path).read("checkpoint")
	if err != nil {
		return err
	}
	signed, err := note.Open(text, note.VerifierList(verifier))
	if err != nil {
		return err
	}
	tree, err := parseCheckpoint(signed.Text, verifier.Name())
	if err != nil {
		return err
	}
	hashes, err := readLeaves(tree, folder(path))
	if err != nil {
		return err
	}
	entries, err := checkEntries(folder(path), hashes)
	if err != nil {
		return err
	}
	fmt.Printf("size=%d root=%s entries=%d\n", tree.N, hex.EncodeToString(tree.Hash[:]), entries)
	return nil
}

func parseCheckpoint(text, origin string) (tlog.Tree, error) {
	lines := strings.SplitN(text, "\n", 4)
	if len(lines) < 4 || lines[0] != origin {
		return tlog.Tree{}, fmt.Errorf("checkpoint of %q, want %q", lines[0], origin)
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	hash, err := tlog.ParseHash(lines[2])
	return tlog.Tree{N: size, Hash: hash}, err
}

// Every tile is held against the root before a hash of it is given out.
func readLeaves(tree tlog.Tree, tiles folder) ([]tlog.Hash, error) {
	if tree.N == 0 {
		return nil, nil
	}
	leaves := make([]int64, tree.N)
	for i := range leaves {
		leaves[i] = tlog.StoredHashIndex(0, int64(i))
	}
	return tlog.TileHashReader(tree, tiles).ReadHashes(leaves)
}

// Entries are looked at where there are any: they may be pruned, the tiles of hashes may not.
func checkEntries(tiles folder, hashes []tlog.Hash) (int, error) {
	if _, err := os.Stat(filepath.Join(string(tiles), "tile", "entries")); err != nil {
		return 0, nil
	}
	size := int64(len(hashes))
	for n := int64(0); n*tileWidth < size; n++ {
		of := hashes[n*tileWidth : min((n+1)*tileWidth, size)]
		tile := tlog.Tile{H: tileHeight, L: -1, N: n, W: len(of)}
		name := strings.Replace(tile.Path(), "tile/8/data/", "tile/entries/", 1)
		bundle, err := tiles.read(name)
		if err != nil {
			return 0, err
		}
		for i, hash := range of {
			if len(bundle) < 2 || len(bundle) < 2+int(binary.BigEndian.Uint16(bundle)) {
				return 0, fmt.Errorf("%s ends within an entry", name)
			}
			end := 2 + int(binary.BigEndian.Uint16(bundle))
			if tlog.RecordHash(bundle[2:end]) != hash {
				return 0, fmt.Errorf("entry %d is not the one in the tree", n*tileWidth+int64(i))
			}
			bundle = bundle[end:]
		}
		if len(bundle) != 0 {
			return 0, fmt.Errorf("%s goes on after its entries", name)
		}
	}
	return len(hashes), nil
}

func checkProofs() error {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if err := checkProof(strings.Fields(lines.Text())); err != nil {
			fmt.Println(err)
		} else {
			fmt.Println("ok")
		}
	}
	return lines.Err()
}

func checkProof(words []string) error {
	if len(words) < 5 {
		return errors.New("too few words")
	}
	first, err := strconv.ParseInt(words[1], 10, 64)
	if err != nil {
		return err
	}
	second, err := strconv.ParseInt(words[3], 10, 64)
	if err != nil {
		return err
	}
	hashes, err := parseHashes(append([]string{words[2]}, words[4:]...))
	if err != nil {
		return err
	}
	switch words[0] {
	case "inclusion":
		return tlog.CheckRecord(tlog.RecordProof(hashes[2:]), first, hashes[0], second, hashes[1])
	case "consistency":
		return tlog.CheckTree(tlog.TreeProof(hashes[2:]), second, hashes[1], first, hashes[0])
	}
	return fmt.Errorf("no such proof: %q", words[0])
}

func parseHashes(texts []string) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(texts))
	for i, text := range texts {
		octets, err := hex.DecodeString(text)
		if err != nil || len(octets) != tlog.HashSize {
			return nil, fmt.Errorf("no hash: %q", text)
		}
		copy(hashes[i][:], octets)
	}
	return hashes, nil
}
