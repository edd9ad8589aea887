// Checks histories of clients against a model of nodes, with porcupine.
//
// Each line of a file is one operation on one node, see the type line. A write whose outcome is not
// known stays open to the end of the history: it may have been done at any time since, or never.
//
//	histories [-timeout 60s] [-picture bad.html] HISTORY..
//
// It prints one line of JSON for each file, and ends with 1 when a history is not linearizable, with
// 2 when it cannot tell.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"sort"
	"time"

	"github.com/anishathalye/porcupine"
)

// line is an operation as it was recorded.
type line struct {
	Client int    `json:"client"`
	Key    string `json:"key"`
	// read (after a sync), create, set, delete.
	Op string `json:"op"`
	// What is written.
	Value string `json:"value"`
	// The version that must be there, -1 for any.
	Expected int32 `json:"expected"`
	// Nanoseconds since the beginning; Return is missing where the outcome is unknown.
	Call   int64  `json:"call"`
	Return *int64 `json:"return"`
	// ok, exists, none (there is no such node), version (it is another one).
	Result string `json:"result"`
	// What a read saw, and what a write made.
	Seen    string `json:"seen"`
	Version int32  `json:"version"`
	// The transaction that wrote the node last, 0 where the reply does not tell.
	Zxid int64 `json:"zxid"`
}

// node is the state of one node.
type node struct {
	exists  bool
	value   string
	version int32
	// The transaction that wrote it last; the last one known before it where exact does not hold.
	zxid  int64
	exact bool
}

// step says whether an operation can have this outcome in this state, and what it leaves behind.
func step(state, input, output interface{}) (bool, interface{}) {
	before, op := state.(node), input.(line)
	after, result := apply(before, op)
	if op.Return == nil {
		return true, after
	}
	if result != op.Result {
		return false, before
	}
	if result != "ok" || op.Op == "delete" {
		return true, after
	}
	if op.Version != after.version {
		return false, before
	}
	if op.Op != "read" {
		after.zxid, after.exact = op.Zxid, true
		return op.Zxid > before.zxid, after
	}
	if op.Seen != after.value || op.Zxid < after.zxid || (after.exact && op.Zxid != after.zxid) {
		return false, before
	}
	after.zxid, after.exact = op.Zxid, true
	return true, after
}

// apply does what a server would.
func apply(state node, op line) (node, string) {
	if op.Op == "create" {
		if state.exists {
			return state, "exists"
		}
		return node{exists: true, value: op.Value, zxid: state.zxid}, "ok"
	}
	if !state.exists {
		return state, "none"
	}
	if op.Op == "read" {
		return state, "ok"
	}
	if op.Expected >= 0 && op.Expected != state.version {
		return state, "version"
	}
	if op.Op == "delete" {
		return node{zxid: state.zxid}, "ok"
	}
	return node{exists: true, value: op.Value, version: state.version + 1, zxid: state.zxid}, "ok"
}

func byKey(history []porcupine.Operation) [][]porcupine.Operation {
	at := map[string]int{}
	var parts [][]porcupine.Operation
	for _, op := range history {
		key := op.Input.(line).Key
		n, found := at[key]
		if !found {
			n = len(parts)
			at[key] = n
			parts = append(parts, nil)
		}
		parts[n] = append(parts[n], op)
	}
	return parts
}

func describe(input, output interface{}) string {
	op := input.(line)
	if op.Return == nil {
		return fmt.Sprintf("%s %q if %d: unknown", op.Op, op.Value, op.Expected)
	}
	return fmt.Sprintf("%s %q if %d: %s %q version %d zxid %x", op.Op, op.Value, op.Expected, op.Result, op.Seen, op.Version, op.Zxid)
}

var model = porcupine.Model{
	Partition:         byKey,
	Init:              func() interface{} { return node{} },
	Step:              step,
	DescribeOperation: describe,
	DescribeState:     func(state interface{}) string { return fmt.Sprintf("%+v", state) },
}

// verdict is what is printed about a file.
type verdict struct {
	File       string   `json:"file"`
	Operations int      `json:"operations"`
	Open       int      `json:"open"`
	Keys       int      `json:"keys"`
	Verdict    string   `json:"verdict"`
	Bad        []string `json:"bad,omitempty"`
}

func check(path string, timeout time.Duration, picture string) (verdict, error) {
	v := verdict{File: path}
	history, err := read(path)
	if err != nil {
		return v, err
	}
	v.Operations = len(history)
	for _, op := range history {
		if op.Input.(line).Return == nil {
			v.Open++
		}
	}
	parts := byKey(history)
	v.Keys = len(parts)
	result := porcupine.CheckOperationsTimeout(model, history, timeout)
	v.Verdict = map[porcupine.CheckResult]string{
		porcupine.Ok: "linearizable", porcupine.Illegal: "not linearizable", porcupine.Unknown: "unknown",
	}[result]
	if result == porcupine.Ok {
		return v, nil
	}
	// Which ones, each alone.
	for _, part := range parts {
		result, info := porcupine.CheckOperationsVerbose(model, part, timeout)
		if result == porcupine.Ok {
			continue
		}
		v.Bad = append(v.Bad, part[0].Input.(line).Key)
		if picture != "" && len(v.Bad) == 1 {
			if err := porcupine.VisualizePath(model, info, picture); err != nil {
				return v, err
			}
		}
	}
	sort.Strings(v.Bad)
	return v, nil
}

func read(path string) ([]porcupine.Operation, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var history []porcupine.Operation
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		op := line{}
		if err := json.Unmarshal(lines.Bytes(), &op); err != nil {
			return nil, fmt.Errorf("%s: line %d: %w", path, len(history)+1, err)
		}
		switch op.Op {
		case "read", "create", "set", "delete":
		default:
			return nil, fmt.Errorf("%s: line %d: no operation is %q", path, len(history)+1, op.Op)
		}
		end := int64(math.MaxInt64)
		if op.Return != nil {
			end = *op.Return
		}
		history = append(history, porcupine.Operation{
			ClientId: op.Client, Input: op, Call: op.Call, Output: op, Return: end,
		})
	}
	return history, lines.Err()
}

func main() {
	timeout := flag.Duration("timeout", time.Minute, "how long the search in one file may take")
	picture := flag.String("picture", "", "where to draw the first node that is not linearizable")
	flag.Parse()
	code := 0
	for _, path := range flag.Args() {
		v, err := check(path, *timeout, *picture)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		out, err := json.Marshal(v)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(2)
		}
		fmt.Println(string(out))
		switch v.Verdict {
		case "not linearizable":
			code = 1
		case "unknown":
			code = max(code, 2)
		}
	}
	os.Exit(code)
}
