package main

import "context"

// measureManyOpen asks the Go benchmark of a whole collector over 10,000 open
// incidents.
func measureManyOpen(ctx context.Context, o options) (table, error) {
	t := table{Name: "open incidents: 10,000, a whole collector"}
	found, err := goBench(ctx, o, benchmark{"./collector/app", "^BenchmarkManyOpen$", "1x"})
	if err != nil {
		return t, err
	}
	for _, name := range []string{"sqlite", "postgres"} {
		r, ok := found["ManyOpen/"+name]
		if !ok {
			continue
		}
		t.add("a person's act, committed, p99, "+name, "≤ 50 ms", r["step-ms"], "ms", "")
		t.add("API list of 100, p99, "+name, "≤ 100 ms", r["api-list-ms"], "ms", "")
		t.add("console list, p99, "+name, "≤ 100 ms", r["console-list-ms"], "ms", "")
		t.add("the auditor's pass, longest of ten, "+name, "≤ 1 s", r["audit-ms"], "ms", "")
		t.add("a round of judging, longest of ten, "+name, "", r["round-ms"], "ms", "")
	}
	return t, nil
}
