package clustertest

import (
	"database/sql"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql" // driver "mysql"
	"github.com/stretchr/testify/require"
)

// galera is a cluster of MariaDB with several writers.
type galera struct {
	t     testing.TB
	nodes []*node
}

// node is one server of a cluster.
type node struct {
	t    testing.TB
	user account
	dir  string
	port int
	// group is the port for the other nodes. A node also needs ports for what it gets from others when it joins: all data (state
	// transfer), or what it missed (incremental).
	group, state, incremental int
	run                       *program
}

const galeraLibrary = "/usr/lib/galera/libgalera_smm.so"

// newGalera starts a cluster of n nodes with an empty database "shop".
func newGalera(t testing.TB, n int) *galera {
	t.Helper()
	for _, program := range []string{"mariadbd", "mariadb-install-db", "rsync"} {
		if _, err := exec.LookPath(program); err != nil {
			t.Fatalf("install the packages mariadb-server, galera-4 and rsync: %v", err)
		}
	}
	if found, _ := filepath.Glob(galeraLibrary); found == nil {
		t.Fatalf("install the package galera-4: there is no %s", galeraLibrary)
	}
	g := &galera{t: t}
	for range n {
		m := &node{t: t, user: accountOf(t, "mysql"), port: freePort(t), group: freePort(t), state: freePort(t), incremental: freePort(t)}
		m.dir = m.user.folder(t)
		g.nodes = append(g.nodes, m)
	}
	first := g.nodes[0]
	first.user.run(t, first.dir, "mariadb-install-db", "--no-defaults", "--datadir="+first.data(), "--auth-root-authentication-method=normal", "--skip-test-db")
	g.start(0, true)
	first.exec("CREATE DATABASE shop")
	for i := range g.nodes[1:] {
		g.start(i+1, false)
	}
	g.awaitSize(n)
	return g
}

func (m *node) data() string { return filepath.Join(m.dir, "data") }

// start starts a node, and returns when it takes part. The first node of all forms the cluster.
func (g *galera) start(i int, form bool) {
	g.t.Helper()
	m := g.nodes[i]
	members := "gcomm://"
	if !form {
		var addresses []string
		for _, other := range g.nodes {
			addresses = append(addresses, address(other.group))
		}
		members += strings.Join(addresses, ",")
		m.user.run(g.t, m.dir, "mkdir", "-p", m.data())
	}
	m.run = m.user.start(g.t, m.dir, nil, "mariadbd", "--no-defaults", "--datadir="+m.data(), "--tmpdir="+m.dir,
		fmt.Sprintf("--port=%d", m.port), "--bind-address=127.0.0.1", "--socket="+filepath.Join(m.dir, "s"), "--pid-file="+filepath.Join(m.dir, "pid"),
		"--binlog-format=ROW", "--innodb-autoinc-lock-mode=2", "--innodb-flush-log-at-trx-commit=2", "--innodb-buffer-pool-size=64M",
		"--character-set-server=utf8mb4", "--max-connections=200",
		"--wsrep-on=ON", "--wsrep-provider="+galeraLibrary, "--wsrep-cluster-address="+members, "--wsrep-cluster-name=fulfil",
		fmt.Sprintf("--wsrep-node-name=node%d", i+1), "--wsrep-node-address="+address(m.group), "--wsrep-sst-method=rsync",
		"--wsrep-sst-receive-address="+address(m.state), "--wsrep-slave-threads=2",
		fmt.Sprintf("--wsrep-provider-options=gmcast.listen_addr=tcp://%s;ist.recv_addr=%s;gcache.size=16M", address(m.group), address(m.incremental)),
	)
	m.awaitReady()
}

// awaitReady returns when the node takes statements.
func (m *node) awaitReady() {
	m.t.Helper()
	await(m.t, "the node does not take part", func() error {
		if state := m.status("wsrep_local_state_comment"); state != "Synced" {
			return fmt.Errorf("it is %q", state)
		}
		return nil
	})
}

// awaitSize returns when all nodes see a cluster of n nodes.
func (g *galera) awaitSize(n int) {
	g.t.Helper()
	for _, m := range g.nodes {
		await(g.t, "the cluster is not complete", func() error {
			if size := m.status("wsrep_cluster_size"); size != fmt.Sprint(n) {
				return fmt.Errorf("node %d sees %q of %d nodes", m.port, size, n)
			}
			return nil
		})
	}
}

// addresses are the addresses of the nodes for clients.
func (g *galera) addresses() (addresses []string) {
	for _, m := range g.nodes {
		addresses = append(addresses, address(m.port))
	}
	return addresses
}

// mysqlDSN returns the DSN of the shop's database at an address. The limits of time end a connection to a node that is stopped.
func mysqlDSN(at string) string {
	return fmt.Sprintf("root@tcp(%s)/shop?timeout=2s&readTimeout=10s&writeTimeout=10s", at)
}

// status returns a value of SHOW STATUS, or what went wrong.
func (m *node) status(name string) (value string) {
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(%s)/?timeout=1s&readTimeout=2s", address(m.port)))
	if err != nil {
		return err.Error()
	}
	defer db.Close()
	if err := db.QueryRow("SHOW GLOBAL STATUS LIKE '"+name+"'").Scan(&name, &value); err != nil {
		return err.Error()
	}
	return value
}

// exec runs a statement as the administrator.
func (m *node) exec(statement string) {
	m.t.Helper()
	db, err := sql.Open("mysql", fmt.Sprintf("root@tcp(%s)/?timeout=2s", address(m.port)))
	require.NoError(m.t, err)
	defer db.Close()
	_, err = db.Exec(statement)
	require.NoError(m.t, err, statement)
}
