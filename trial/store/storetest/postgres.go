// Package storetest gives tests a real Postgres: it finds the server's
// programs, starts one server a test binary on a free port with its data in a
// temporary folder, hands out an empty database a test, and stops the server
// and removes the folder at the end.
package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/lib/pq" // the driver of the server started here
)

// server is the one server of this test binary.
var server struct {
	once    sync.Once
	url     string // of the database "postgres", with %s for the database's name
	err     error
	stop    func()
	counter atomic.Int64
}

// Main runs a package's tests and stops the server afterwards. Use it as
// func TestMain(m *testing.M) { os.Exit(storetest.Main(m)) }.
func Main(m *testing.M) int {
	status := m.Run()
	if server.stop != nil {
		server.stop()
	}
	return status
}

// Postgres gives the address of a new, empty database. Where no Postgres
// server is installed the test is skipped, aloud; where CI or
// EVENHAND_TEST_POSTGRES is set it fails instead, so that it cannot be
// skipped there.
func Postgres(t testing.TB) string {
	t.Helper()
	server.once.Do(func() { server.url, server.stop, server.err = start() })
	if server.err != nil {
		if os.Getenv("CI") != "" || os.Getenv("EVENHAND_TEST_POSTGRES") != "" {
			t.Fatalf("Postgres is needed here: %v", server.err)
		}
		t.Skipf("NOT TESTED ON POSTGRES: %v", server.err)
	}
	name := fmt.Sprintf("t%d", server.counter.Add(1))
	db, err := sql.Open("postgres", fmt.Sprintf(server.url, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE DATABASE " + name); err != nil {
		t.Fatalf("make database %s: %v", name, err)
	}
	return fmt.Sprintf(server.url, name)
}

// find looks for the server's programs on PATH and in the usual places, the
// newest first.
func find() (bin string, err error) {
	if path, err := exec.LookPath("initdb"); err == nil {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			return filepath.Dir(path), nil
		}
	}
	var found []string
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin/initdb", "/usr/pgsql-*/bin/initdb", "/usr/local/pgsql/bin/initdb", "/opt/homebrew/opt/postgresql*/bin/initdb", "/usr/local/opt/postgresql*/bin/initdb", `C:\Program Files\PostgreSQL\*\bin\initdb.exe`} {
		matches, _ := filepath.Glob(pattern)
		found = append(found, matches...)
	}
	if len(found) == 0 {
		return "", fmt.Errorf("no Postgres server is installed (no initdb on PATH or in the usual places)")
	}
	sort.Strings(found)
	return filepath.Dir(found[len(found)-1]), nil
}

// unprivileged gives a user to run as: Postgres refuses root.
func unprivileged() (*user.User, error) {
	for _, name := range []string{"postgres", "nobody"} {
		if u, err := user.Lookup(name); err == nil {
			return u, nil
		}
	}
	return nil, fmt.Errorf("running as root, and there is no user postgres or nobody to run the server as")
}

func start() (url string, stop func(), err error) {
	bin, err := find()
	if err != nil {
		return "", nil, err
	}
	dir, err := os.MkdirTemp("", "evenhand-postgres-")
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			os.RemoveAll(dir)
		}
	}()
	var as *user.User
	if os.Geteuid() == 0 {
		if as, err = unprivileged(); err != nil {
			return "", nil, err
		}
		uid, _ := strconv.Atoi(as.Uid)
		gid, _ := strconv.Atoi(as.Gid)
		if err = os.Chown(dir, uid, gid); err != nil {
			return "", nil, err
		}
	}
	data := filepath.Join(dir, "data")
	initdb := command(as, filepath.Join(bin, "initdb"), "-D", data, "-U", "evenhand", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")
	initdb.Dir = dir
	if out, err2 := initdb.CombinedOutput(); err2 != nil {
		return "", nil, fmt.Errorf("initdb: %v\n%s", err2, out)
	}
	port, err := freePort()
	if err != nil {
		return "", nil, err
	}
	// fsync stays on: the tests of what survives a kill rely on it.
	run := command(as, filepath.Join(bin, "postgres"), "-D", data, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(port), "-k", dir, "-c", "max_connections=200")
	run.Dir = dir
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return "", nil, err
	}
	run.Stdout, run.Stderr = log, log
	started, ended := make(chan error, 1), make(chan struct{})
	go func() {
		// The server is told to die with its parent thread; so that thread
		// must live as long as this goroutine.
		runtime.LockOSThread()
		started <- run.Start()
		run.Wait()
		close(ended)
	}()
	if err = <-started; err != nil {
		return "", nil, err
	}
	stop = func() {
		run.Process.Signal(stopSignal)
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			run.Process.Kill()
			<-ended
		}
		log.Close()
		os.RemoveAll(dir)
	}
	url = fmt.Sprintf("postgres://evenhand@127.0.0.1:%d/%%s?sslmode=disable", port)
	if err = reachable(fmt.Sprintf(url, "postgres"), ended); err != nil {
		text, _ := os.ReadFile(filepath.Join(dir, "log"))
		stop()
		return "", nil, fmt.Errorf("%v\n%s", err, strings.TrimSpace(string(text)))
	}
	return url, stop, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

func reachable(url string, ended <-chan struct{}) error {
	db, err := sql.Open("postgres", url)
	if err != nil {
		return err
	}
	defer db.Close()
	for deadline := time.Now().Add(30 * time.Second); ; {
		if err = db.PingContext(context.Background()); err == nil {
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("the server ended: %v", err)
		case <-time.After(50 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the server could not be reached in 30 s: %v", err)
		}
	}
}

// Clone gives the address of a new database with the content of one that
// Postgres gave, which nobody may be using.
func Clone(t testing.TB, from string) string {
	t.Helper()
	u := strings.TrimSuffix(from, "?sslmode=disable")
	source := u[strings.LastIndex(u, "/")+1:]
	name := fmt.Sprintf("t%d", server.counter.Add(1))
	db, err := sql.Open("postgres", fmt.Sprintf(server.url, "postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, err = db.Exec("CREATE DATABASE " + name + " TEMPLATE " + source)
		if err == nil {
			return fmt.Sprintf(server.url, name)
		}
		if time.Now().After(deadline) {
			t.Fatalf("clone database %s: %v", source, err)
		}
		time.Sleep(20 * time.Millisecond) // a killed client may still be going away
	}
}

// Terminate ends every connection to a database that Postgres gave, as a
// server that goes away does.
func Terminate(t testing.TB, address string) {
	t.Helper()
	db, err := sql.Open("postgres", address)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`); err != nil {
		t.Fatalf("end the connections to %s: %v", address, err)
	}
}
