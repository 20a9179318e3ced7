package doctest

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// commands are all command lines of the documentation, each with the way in which it is known to work:
//
//   - "run" runs it here. A program that serves is ended when it says that it serves.
//   - A name that begins with Test is that of the test that does the same.
//   - Any other text says why it can't be run here.
var commands = map[string]string{
	"go run ./examples/quickstart":   "run",
	"go run ./examples/subscription": "run",
	"go run ./examples/standalone -addr 127.0.0.1:12111 -key sk_test_standalone -webhook http://127.0.0.1:3000/webhook": "run",
	"go run ./examples/webhook":                               "TestWebhookExample",
	"STRIPE_WEBHOOK_SECRET=whsec_… go run ./examples/webhook": "needs a Stripe account",
	"go run ./examples/spa":                                   "run",
	"STRIPE_SECRET_KEY=sk_test_… STRIPE_PUBLISHABLE_KEY=pk_test_… STRIPE_WEBHOOK_SECRET=whsec_… go run ./examples/spa": "needs a Stripe account",
	"go run ./examples/queue intake":                       "TestQueueSurvivesItsBroker",
	"go run ./examples/queue worker":                       "TestQueueSurvivesItsBroker",
	"go run ./examples/connect":                            "TestConnectExample",
	"go build -o /usr/local/bin/shop ./examples/shop":      "TestASignalStopsTheProgram",
	"systemctl enable --now shop@4251 shop@4252":           "TestUnit",
	"docker build -f examples/deploy/Dockerfile -t shop .": "needs a Docker daemon",
	"docker run --env-file examples/deploy/shop.env --publish 127.0.0.1:4251:4242 --stop-timeout 30 shop": "needs a Docker daemon",
	"go run ./examples/inventory": "TestInventoryExample",
	"go run ./examples/outbox":    "TestOutboxExample",
	"DATABASE_URL='postgres://shop:secret@localhost:5432/shop?sslmode=disable' go run ./examples/river": "TestRiverExample",
	"go run ./examples/routers": "TestRoutersExample",
	"go run ./examples/shop":    "TestASignalStopsTheProgram",
	"go run ./examples/shop -addr 127.0.0.1:4251 -webhooks http://127.0.0.1:4252/stripe/webhook":                           "TestTheTestServerOfAnotherProcess",
	"STRIPE_API_BASE=… STRIPE_SECRET_KEY=… STRIPE_WEBHOOK_SECRET=… go run ./examples/shop -addr 127.0.0.1:4252":            "TestTheTestServerOfAnotherProcess",
	"export DATABASE_URL='postgres://shop:secret@localhost:5432/shop?sslmode=disable'":                                     "TestDatabaseURL",
	"export DATABASE_URL='mysql://shop:secret@localhost:3306/shop'":                                                        "TestDatabaseURL",
	`psql "$DATABASE_URL" -c 'SELECT order_id, note, name, address FROM shop_orders LEFT JOIN shipments USING (order_id)'`: "needs psql; the tables are those of TestTheWholeWalk",
	"go run ./examples/shop doctor": "TestTheDoctorExaminesTheShop",
	"createdb shop":                 "needs PostgreSQL's tools",
	"mysql -e 'CREATE DATABASE shop CHARACTER SET utf8mb4'":                                  "needs MySQL's tools",
	"stripe listen --print-secret":                                                           "TestListenAsTheGuidesSay",
	"stripe listen --all-snapshot --forward-to 127.0.0.1:4242/stripe/webhook":                "TestListenAsTheGuidesSay",
	"stripe listen --all-snapshot --forward-to localhost:4242/stripe/webhook":                "TestListenAsTheGuidesSay",
	"stripe listen --all-snapshot --forward-to localhost:8080/stripe/webhook":                "TestListenAsTheGuidesSay",
	"export STRIPE_SECRET_KEY=sk_test_… STRIPE_WEBHOOK_SECRET=whsec_…":                       "TestStripeIsUsedWhenItsSecretsAreSet",
	"STRIPE_SECRET_KEY=sk_test_… STRIPE_WEBHOOK_SECRET=whsec_… go run ./examples/quickstart": "TestStripeIsUsedWhenItsSecretsAreSet",
	"STRIPE_SECRET_KEY=sk_test_… STRIPE_WEBHOOK_SECRET=whsec_… go run ./examples/minimal":    "needs a Stripe account",
	"go get github.com/gofulfil/fulfil/store/pgxstore@latest":                                "needs the network",
	"go get github.com/gofulfil/fulfil/reservation/pgxreserver@latest":                       "needs the network",
	"go get github.com/gofulfil/fulfil@latest":                                               "needs the network",
	"git clone https://github.com/gofulfil/fulfil && cd fulfil":                              "needs the network",
	"go build -o fulfil ./cmd/fulfil":                                                        "TestMigrationTools",
	"./fulfil help":                                                                          "TestHelp",
	"./fulfil migrate":                                                                       "TestSchema",
	"./fulfil schema":                                                                        "TestSchema",
	"./fulfil doctor -url https://shop.example/stripe/webhook":                               "TestDoctor",
	"./fulfil orders list -status paid,fulfilled -since 2026-03-01":                          "TestOrders",
	"./fulfil orders stuck":                                                                  "TestOrders",
	"./fulfil orders show order-42":                                                          "TestOrders",
	"./fulfil orders resolve order-42 retry":                                                 "TestResolve",
	"./fulfil orders resolve order-42 fulfil-anyway":                                         "TestResolve",
	"./fulfil orders resolve order-42 give-up":                                               "TestResolve",
	"./fulfil orders refund order-42 -amount 5.00":                                           "TestRefund",
	"./fulfil orders refund order-42 -restock":                                               "TestRefund",
	"./fulfil orders cancel order-42":                                                        "TestResolve",
	"./fulfil stock list -json":                                                              "TestStock",
	"./fulfil stock set tee-m 40":                                                            "TestStock",
	"./fulfil stock adjust tee-m -3":                                                         "TestStock",
	"./fulfil events undelivered":                                                            "TestEvents",
	"./fulfil events replay -all":                                                            "TestEvents",
	"./fulfil erase -email ada@example.com":                                                  "TestErase",
	"./fulfil schema -into migrations -dialect postgres":                                     "TestSchemaForAnotherTool",
	"./fulfil schema -into migrations -dialect postgres -from 4":                             "TestSchemaForAnotherTool",
	"stripe listen --all-snapshot --forward-to http://127.0.0.1:3000/webhook --api-key sk_test_standalone --api-base http://127.0.0.1:12111": "TestListenAsTheGuidesSay",
	"sh examples/standalone/build.sh dist":                                   "TestBinaries",
	"go test ./...":                                                          "is a reader's own",
	"go test ./internal/apilist -update":                                     "TestAPI",
	"go test ./internal/licences -update":                                    "TestLicences",
	"go run ./internal/release v0.1.0":                                       "TestEveryModuleIsReleased",
	"go run ./internal/majors -stripe v85.0.0":                               "needs the module proxy",
	"go test ./checkout/checkouttest -run TestRecordings -update-recordings": "TestRecordings",
	"go test ./checkout/checkouttest -run TestFlows -update-flows":           "TestFlows",
	"FULFIL_TEST_PAYLOADS=thin go test ./checkout":                           "runs the tests of checkout once more, which take a while",
	"go test work": "is this test's own caller",
	"export FULFIL_TEST_POSTGRES='postgres://postgres@127.0.0.1:5432/postgres?sslmode=disable'": "needs PostgreSQL",
	"export FULFIL_TEST_MYSQL='root@tcp(127.0.0.1:3306)/'":                                      "needs MySQL",
	"go test -race ./internal/dbtest/...":                                                       "the gate runs it",
	"go test ./checkout/internal/simtest -run TestSimulation -seeds=200000 -timeout 2h":         "TestSimulation",
	"go test ./checkout/internal/simtest -run TestMutants -mutants -v -timeout 2h":              "TestMutants",
	"go test ./internal/dbtest/flowtest -run TestKill -kills 500 -kill-seed 7":                  "TestKill",
	"go test ./internal/dbtest/flowtest -run TestStories -story-sequences 1000 -timeout 2h":     "TestStories",
	"FULFIL_TEST_CLUSTER=1 go test -count=1 -v -timeout 1h ./internal/clustertest":              "needs PostgreSQL, Galera and PgBouncer; the gate runs the short scenes",
	"FULFIL_TEST_CLUSTER=1 go test -count=1 -run TestRollingUpgrade ./internal/dbtest/flowtest": "TestRollingUpgrade",
	"FULFIL_CROSSCHECK=1 go test -count=1 ./internal/crosscheck/...":                            "needs node and npm; the gate runs it",
	"go test ./webhook -run '^$' -fuzz '^FuzzEnvelope$' -fuzztime 5m -fuzzminimizetime 10x":     "FuzzEnvelope",
}

var (
	fenced   = regexp.MustCompile("(?ms)^ *```(\\w*)\n(.*?)^ *```$")
	indented = regexp.MustCompile(`(?m)^(?:    |\t|       )(\S.*)$`)
)

// commandLines returns the command lines of a page: those of blocks without a language, and of indented blocks.
func commandLines(text string) (lines []string) {
	for _, block := range fenced.FindAllStringSubmatch(text, -1) {
		if block[1] == "" || block[1] == "sh" {
			lines = append(lines, strings.Split(strings.TrimSpace(block[2]), "\n")...)
		}
	}
	for _, line := range indented.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		lines = append(lines, line[1])
	}
	for i, line := range lines {
		line, _, _ = strings.Cut(line, "   #")
		lines[i] = strings.TrimSpace(line)
	}
	return lines
}

// Each command of the documentation is known, and those that need nothing are run.
func TestCommands(t *testing.T) {
	t.Parallel()
	tr := readTree(t, root)
	var used []string
	for _, d := range tr.docs {
		if d.pkg != "" {
			continue
		}
		for _, line := range commandLines(d.text) {
			how, known := commands[line]
			if !known {
				t.Errorf("%s has the command %q: add it to the table of this test", d.path, line)
				continue
			}
			if regexp.MustCompile(`^(Test|Fuzz)\w+$`).MatchString(how) && !tr.tests[how] {
				t.Errorf("%s: %q is tested by %s, which does not exist", d.path, line, how)
			}
			used = append(used, line)
		}
	}
	for line, how := range commands {
		if !slices.Contains(used, line) {
			t.Errorf("no page has the command %q: take it out of the table", line)
		}
		if how == "run" {
			t.Run(line, func(t *testing.T) {
				t.Parallel()
				runProgram(t, line)
			})
		}
	}
}

// runProgram runs a go run command until the program says how to stop it, and stops it. Its addresses are replaced by free
// ones, as others may use those of the documentation.
func runProgram(t *testing.T, line string) {
	t.Helper()
	words := strings.Fields(line)
	require.Equal(t, []string{"go", "run"}, words[:2])
	folder, err := filepath.Abs(filepath.Join(root, words[2]))
	require.NoError(t, err)
	program := filepath.Join(t.TempDir(), "program")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = folder
	out, err := build.CombinedOutput()
	require.NoError(t, err, "%s", out)

	args := append(words[3:], "-addr", "127.0.0.1:0")
	if strings.HasSuffix(words[2], "standalone") {
		args = append(args, "-control", "127.0.0.1:0")
	}
	cmd := exec.Command(program, args...)
	cmd.Dir, cmd.Env = t.TempDir(), []string{}
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer late.Stop()
	served := false
	for lines := bufio.NewScanner(stdout); lines.Scan(); {
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			served = true
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
		}
	}
	require.NoError(t, cmd.Wait())
	require.True(t, served, "the program did not say that it serves")
}

// Each Go block of a guide and of README.md stands in a file that is compiled and tested.
func TestGuidesHaveCodeThatRuns(t *testing.T) {
	t.Parallel()
	var files []string
	paths, err := filepath.Glob(filepath.Join(root, "examples/shop/guides/*.go"))
	require.NoError(t, err)
	for _, path := range paths {
		text, err := os.ReadFile(path)
		require.NoError(t, err)
		files = append(files, flat(string(text)))
	}
	require.NotEmpty(t, files)
	for _, path := range []string{"examples/minimal/main.go", "checkout/checkoutotel/example_test.go"} {
		program, err := os.ReadFile(filepath.Join(root, path))
		require.NoError(t, err)
		files = append(files, flat(string(program)))
	}
	guides, err := filepath.Glob(filepath.Join(root, "docs/*.md"))
	require.NoError(t, err)
	blocks := 0
	for _, guide := range append(guides, filepath.Join(root, "README.md")) {
		text, err := os.ReadFile(guide)
		require.NoError(t, err)
		for _, block := range fenced.FindAllStringSubmatch(string(text), -1) {
			if block[1] != "go" {
				continue
			}
			blocks++
			code := flat(block[2])
			if !slices.ContainsFunc(files, func(file string) bool { return strings.Contains(file, code) }) {
				t.Errorf("%s: this block stands in no file of examples/shop/guides, and in no other that is looked at:\n%s", guide, block[2])
			}
		}
	}
	require.Greater(t, blocks, 15)
}

// flat returns code without indentation.
func flat(code string) string {
	var lines []string
	for line := range strings.SplitSeq(code, "\n") {
		lines = append(lines, strings.TrimSpace(line))
	}
	return "\n" + strings.TrimSpace(strings.Join(lines, "\n")) + "\n"
}

// The permissions of the key stand in one place for people, and in the comment of Config.Stripe.
func TestPermissionsStandInOnePlace(t *testing.T) {
	t.Parallel()
	config, guide := page(t, "checkout/config.go"), page(t, "docs/going-live.md")
	for _, resource := range []string{"Checkout Sessions", "Payment Intents", "Charges", "Refunds", "Disputes", "Events", "Reviews"} {
		require.Contains(t, config, resource)
		require.Contains(t, guide, resource)
	}
	for _, name := range []string{"README.md", "examples/shop/README.md", "docs/operating.md"} {
		require.NotContains(t, page(t, name), "Payment Intents", name)
	}
}
