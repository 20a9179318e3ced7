package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"time"

	"github.com/gofulfil/fulfil/checkout/checkouttest"
)

// A journal is the state file: a line that says how the servers began, and a line for each request or command that changed them. A new
// start does them again, with the same seed and at the same times, so that the same objects, IDs and events come out. Nobody waits for the
// disk: the file survives the end of the program, but its last lines may not survive the end of the machine.
//
// The file can't be compacted. A server is more than its objects: tasks of its clock, idempotency keys and counters follow from the
// requests, and a request that seems to have had no effect may have changed one of them. Only a reset makes all lines needless, and
// drops them.
type journal struct {
	mu    sync.Mutex
	file  *os.File
	head  header
	first int64 // the length of the header's line
	size  int64
	full  bool // nothing more is kept until the file is cleared
}

// maxJournal is the size of a state file at which the program stops keeping what happens: about 700,000 requests, which a start would do
// again. The memory of the machine ends before, as a paid session takes two requests and some 90 KB.
const maxJournal = 256 << 20

// journalVersion is the version of the format.
const journalVersion = 1

// A header is the first line of a journal.
type header struct {
	Version       int       `json:"version"`
	Seed          uint64    `json:"seed"`
	Start         time.Time `json:"start"`
	Key           string    `json:"key"`            // of the first account
	WebhookSecret string    `json:"webhook_secret"` // of the first account
}

// An entry is a further line: a step of an account.
type entry struct {
	Number  uint64       `json:"n"`
	At      time.Time    `json:"at"`
	Account string       `json:"account"`
	Request *keptRequest `json:"request,omitempty"`
	Command *command     `json:"command,omitempty"`
}

// A keptRequest is a request to the API or to a page. It holds no key.
type keptRequest struct {
	Method string      `json:"method"`
	URL    string      `json:"url"`
	Header http.Header `json:"header,omitempty"`
	Body   string      `json:"body,omitempty"`
	Status int         `json:"status"` // of the answer; 0: a fault may have changed it
	key    string      // of the account
}

// keptHeaders are the headers that an answer may depend on.
var keptHeaders = []string{"Content-Type", "Idempotency-Key", "Stripe-Account", "Stripe-Context", "Stripe-Version", "Accept-Language"}

// keep returns a request as the journal holds it.
func keep(r *http.Request, body []byte, acc *account) *keptRequest {
	k := &keptRequest{Method: r.Method, URL: r.URL.RequestURI(), Header: http.Header{}, Body: string(body)}
	for _, name := range keptHeaders {
		if v := r.Header.Get(name); v != "" {
			k.Header.Set(name, v)
		}
	}
	if isAPI(r) {
		k.key = acc.keys[0]
	}
	return k
}

// serve has a server answer the request. It reports whether a fault cut the connection. A live request brings its own headers, which
// show whether another site sent it.
func (k *keptRequest) serve(test *checkouttest.Server, ctx context.Context, answer *httptest.ResponseRecorder) (cut bool) {
	defer func() {
		if p := recover(); p == http.ErrAbortHandler {
			cut = true
		} else if p != nil {
			panic(p)
		}
	}()
	r, err := http.NewRequestWithContext(ctx, k.Method, test.URL()+k.URL, bytes.NewReader([]byte(k.Body)))
	if err != nil {
		answer.WriteHeader(http.StatusBadRequest)
		return false
	}
	r.RequestURI = k.URL
	for name, values := range k.Header {
		r.Header[name] = values
	}
	if k.key != "" {
		r.Header.Set("Authorization", "Bearer "+k.key)
	}
	test.ServeHTTP(answer, r)
	return false
}

// repeat makes the request again, and checks that the answer has the status that it had.
func (k *keptRequest) repeat(acc *account) error {
	k.key = ""
	if r, err := http.NewRequest(k.Method, k.URL, nil); err == nil && isAPI(r) {
		k.key = acc.keys[0]
	}
	answer := httptest.NewRecorder()
	k.serve(acc.test, context.Background(), answer)
	if k.Status != 0 && answer.Code != k.Status {
		return fmt.Errorf("%s %s was answered %d, and is answered %d now: the file is of another version of this program; delete it to begin anew",
			k.Method, k.URL, k.Status, answer.Code)
	}
	return nil
}

// openJournal opens a state file, and returns its entries. A file that is not there is made, with head as its header. A last line that is
// not whole is dropped: the program ended while it wrote, before the request was answered.
func openJournal(name string, head header) (_ *journal, past []entry, err error) {
	file, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, nil, err
	}
	if err := lock(file); err != nil {
		file.Close()
		return nil, nil, fmt.Errorf("-data %s is used by another program: end that one, or name another file: %w", name, err)
	}
	j := &journal{file: file}
	whole, past, err := j.read()
	j.size = whole
	switch {
	case err != nil:
	case whole == 0:
		head.Version = journalVersion
		j.head = head
		err = errors.Join(file.Truncate(0), seek(file, 0), j.append(head))
		j.first = j.size
	case j.head.Version != journalVersion:
		err = fmt.Errorf("-data %s has format %d, and this program needs %d: delete the file to begin anew", name, j.head.Version, journalVersion)
	default:
		err = errors.Join(file.Truncate(whole), seek(file, whole))
	}
	if err != nil {
		return nil, nil, errors.Join(err, j.close())
	}
	return j, past, nil
}

// read reads the file, and returns the length of its whole lines.
func (j *journal) read() (whole int64, past []entry, err error) {
	lines := bufio.NewReader(j.file)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return whole, past, nil // the end
		}
		if whole == 0 {
			j.first = int64(len(line))
			err = json.Unmarshal(line, &j.head)
		} else {
			var e entry
			err = json.Unmarshal(line, &e)
			if err == nil && (e.Request == nil) == (e.Command == nil) {
				err = errors.New("an entry has a request or a command")
			}
			past = append(past, e)
		}
		if err != nil {
			return 0, nil, fmt.Errorf("-data %s is no state file of this program, line %d: %w", j.file.Name(), len(past)+1, err)
		}
		whole += int64(len(line))
	}
}

func (j *journal) write(e entry) error { return j.append(e) }

// clear drops all lines but the header. It is one change of the file, so that a program that is killed leaves all lines or none.
func (j *journal) clear() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.size, j.full = j.first, false
	return errors.Join(j.file.Truncate(j.first), seek(j.file, j.first))
}

// append adds a line. The first line that would make the file too large is an error, and the later ones are dropped: after a gap the
// steps could not be done again.
func (j *journal) append(line any) error {
	raw, err := json.Marshal(line)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.full {
		return nil
	}
	if j.size+int64(len(raw))+1 > maxJournal {
		j.full = true
		return fmt.Errorf("-data %s has reached its limit of %d MiB: what happens from now on ends with the program; `reset` empties the file",
			j.file.Name(), maxJournal>>20)
	}
	n, err := j.file.Write(append(raw, '\n'))
	j.size += int64(n)
	return err
}

func (j *journal) close() error { return errors.Join(unlock(j.file), j.file.Close()) }

func seek(file *os.File, to int64) error {
	_, err := file.Seek(to, 0)
	return err
}
