package host

// instances says what to do with the instances of an object of counters.
type instances struct {
	label string                   // what windows_exporter calls one; "": the object has none
	name  func(name string) string // how it calls this one; "": it is left out
}

// perfObject is an object of Windows' performance counters, by its English name.
type perfObject struct {
	collector string // as windows_exporter divides them
	object    string
	instances instances
	fixed     []string // labels of every series: names and values in turn
	counters  []perfCounter
}

// perfCounter is one counter and the series that it becomes. The raw value counts,
// not what Windows computes of it.
type perfCounter struct {
	counter string // English name
	metric  string
	scale   float64  // 0: 1
	offset  float64  // added after that
	second  bool     // the second raw value, of those that are quotients
	since   bool     // the value is a moment, in 100 ns since 1601: seconds since 1970
	labels  []string // names and values in turn
}

// Units of raw values, in the base units of the series.
const (
	ticks    = 1e-7 // 100 ns
	micro    = 1e-6
	mebibyte = 1 << 20
	bit      = 1.0 / 8
)

// perfObjects are the counters that windows_exporter 0.31 reads in its collectors
// cpu, logical_disk, memory, net, pagefile, physical_disk, system, tcp, thermalzone
// and time, under its names and labels (its documentation and the names of counters
// in its sources; meanings: Microsoft's "Calculating Counter Values"). logical_disk's
// sizes of drives with a letter are asked of the file system: the counters' are old
// by a quarter of an hour.
func perfObjects() []perfObject {
	all := func(n string) string { return n }
	return []perfObject{
		{collector: "cpu", object: "Processor Information", instances: instances{"core", all}, counters: cpuCounters()},
		{collector: "memory", object: "Memory", counters: memoryCounters()},
		{collector: "logical_disk", object: "LogicalDisk", instances: instances{"volume", all},
			counters: append(diskCounterTable("windows_logical_disk_"),
				perfCounter{counter: "Free Megabytes", metric: volumeFree, scale: mebibyte},
				perfCounter{counter: "% Free Space", metric: volumeSize, scale: mebibyte, second: true})},
		{collector: "physical_disk", object: "PhysicalDisk", instances: instances{"disk", diskNumber}, counters: diskCounterTable("windows_physical_disk_")},
		{collector: "net", object: "Network Interface", instances: instances{"nic", all}, counters: nicCounters()},
		{collector: "system", object: "System", counters: systemCounters()},
		{collector: "tcp", object: "TCPv4", fixed: []string{"af", "ipv4"}, counters: tcpCounters()},
		{collector: "tcp6", object: "TCPv6", fixed: []string{"af", "ipv6"}, counters: tcpCounters()},
		{collector: "thermalzone", object: "Thermal Zone Information", instances: instances{"name", all}, counters: []perfCounter{
			{counter: "High Precision Temperature", metric: "windows_thermalzone_temperature_celsius", scale: 0.1, offset: -273.15},
			{counter: "% Passive Limit", metric: "windows_thermalzone_percent_passive_limit"},
			{counter: "Throttle Reasons", metric: "windows_thermalzone_throttle_reasons"},
		}},
		{collector: "time", object: "Windows Time Service", counters: []perfCounter{
			{counter: "Clock Frequency Adjustment (ppb)", metric: "windows_time_clock_frequency_adjustment_ppb_total"},
			{counter: "Computed Time Offset", metric: "windows_time_computed_time_offset_seconds", scale: micro},
			{counter: "NTP Client Time Source Count", metric: "windows_time_ntp_client_time_sources"},
			{counter: "NTP Roundtrip Delay", metric: "windows_time_ntp_round_trip_delay_seconds", scale: micro},
			{counter: "NTP Server Outgoing Responses", metric: "windows_time_ntp_server_outgoing_responses_total"},
			{counter: "NTP Server Incoming Requests", metric: "windows_time_ntp_server_incoming_requests_total"},
		}},
	}
}

func cpuCounters() []perfCounter {
	out := []perfCounter{
		{counter: "Interrupts/sec", metric: "windows_cpu_interrupts_total"},
		{counter: "DPCs Queued/sec", metric: "windows_cpu_dpcs_total"},
		{counter: "Clock Interrupts/sec", metric: "windows_cpu_clock_interrupts_total"},
		{counter: "Idle Break Events/sec", metric: "windows_cpu_idle_break_events_total"},
		{counter: "Parking Status", metric: "windows_cpu_parking_status"},
		{counter: "Processor Frequency", metric: "windows_cpu_core_frequency_mhz"},
		{counter: "% Processor Performance", metric: "windows_cpu_processor_performance_total"},
		{counter: "% Processor Performance", metric: "windows_cpu_processor_mperf_total", second: true},
		{counter: "% Processor Utility", metric: "windows_cpu_processor_utility_total"},
		{counter: "% Processor Utility", metric: "windows_cpu_processor_rtc_total", second: true},
		{counter: "% Privileged Utility", metric: "windows_cpu_processor_privileged_utility_total"},
	}
	for _, m := range [...][2]string{{"% DPC Time", "dpc"}, {"% Idle Time", "idle"}, {"% Interrupt Time", "interrupt"}, {"% Privileged Time", "privileged"}, {"% User Time", "user"}} {
		out = append(out, perfCounter{counter: m[0], metric: "windows_cpu_time_total", scale: ticks, labels: []string{"mode", m[1]}})
	}
	for _, m := range [...][2]string{{"% C1 Time", "c1"}, {"% C2 Time", "c2"}, {"% C3 Time", "c3"}} {
		out = append(out, perfCounter{counter: m[0], metric: "windows_cpu_cstate_seconds_total", scale: ticks, labels: []string{"state", m[1]}})
	}
	return out
}

func memoryCounters() (out []perfCounter) {
	for _, c := range [...][2]string{
		{"Available Bytes", "available_bytes"}, {"Cache Bytes", "cache_bytes"}, {"Cache Bytes Peak", "cache_bytes_peak"},
		{"Cache Faults/sec", "cache_faults_total"}, {"Commit Limit", "commit_limit"}, {"Committed Bytes", "committed_bytes"},
		{"Demand Zero Faults/sec", "demand_zero_faults_total"}, {"Free & Zero Page List Bytes", "free_and_zero_page_list_bytes"},
		{"Free System Page Table Entries", "free_system_page_table_entries"}, {"Modified Page List Bytes", "modified_page_list_bytes"},
		{"Page Faults/sec", "page_faults_total"}, {"Page Reads/sec", "swap_page_reads_total"}, {"Pages Input/sec", "swap_pages_read_total"},
		{"Pages Output/sec", "swap_pages_written_total"}, {"Pages/sec", "swap_page_operations_total"}, {"Page Writes/sec", "swap_page_writes_total"},
		{"Pool Nonpaged Allocs", "pool_nonpaged_allocs_total"}, {"Pool Nonpaged Bytes", "pool_nonpaged_bytes"}, {"Pool Paged Allocs", "pool_paged_allocs_total"},
		{"Pool Paged Bytes", "pool_paged_bytes"}, {"Pool Paged Resident Bytes", "pool_paged_resident_bytes"},
		{"Standby Cache Core Bytes", "standby_cache_core_bytes"}, {"Standby Cache Normal Priority Bytes", "standby_cache_normal_priority_bytes"},
		{"Standby Cache Reserve Bytes", "standby_cache_reserve_bytes"}, {"System Cache Resident Bytes", "system_cache_resident_bytes"},
		{"System Code Resident Bytes", "system_code_resident_bytes"}, {"System Code Total Bytes", "system_code_total_bytes"},
		{"System Driver Resident Bytes", "system_driver_resident_bytes"}, {"System Driver Total Bytes", "system_driver_total_bytes"},
		{"Transition Faults/sec", "transition_faults_total"}, {"Transition Pages RePurposed/sec", "transition_pages_repurposed_total"},
		{"Write Copies/sec", "write_copies_total"},
	} {
		out = append(out, perfCounter{counter: c[0], metric: "windows_memory_" + c[1]})
	}
	return out
}

// diskCounterTable are the counters that logical and physical disks have both.
func diskCounterTable(prefix string) []perfCounter {
	return []perfCounter{
		{counter: "Current Disk Queue Length", metric: prefix + "requests_queued"},
		{counter: "Avg. Disk Read Queue Length", metric: prefix + "avg_read_requests_queued", scale: ticks},
		{counter: "Avg. Disk Write Queue Length", metric: prefix + "avg_write_requests_queued", scale: ticks},
		{counter: "Disk Read Bytes/sec", metric: prefix + "read_bytes_total"},
		{counter: "Disk Reads/sec", metric: prefix + "reads_total"},
		{counter: "Disk Write Bytes/sec", metric: prefix + "write_bytes_total"},
		{counter: "Disk Writes/sec", metric: prefix + "writes_total"},
		{counter: "% Disk Read Time", metric: prefix + "read_seconds_total", scale: ticks},
		{counter: "% Disk Write Time", metric: prefix + "write_seconds_total", scale: ticks},
		{counter: "% Idle Time", metric: prefix + "idle_seconds_total", scale: ticks},
		{counter: "Split IO/Sec", metric: prefix + "split_ios_total"},
		{counter: "Avg. Disk sec/Read", metric: prefix + "read_latency_seconds_total", scale: ticks},
		{counter: "Avg. Disk sec/Write", metric: prefix + "write_latency_seconds_total", scale: ticks},
		{counter: "Avg. Disk sec/Transfer", metric: prefix + "read_write_latency_seconds_total", scale: ticks},
	}
}

func nicCounters() (out []perfCounter) {
	for _, c := range [...][2]string{
		{"Bytes Received/sec", "bytes_received_total"}, {"Bytes Sent/sec", "bytes_sent_total"}, {"Bytes Total/sec", "bytes_total"},
		{"Output Queue Length", "output_queue_length_packets"}, {"Packets Outbound Discarded", "packets_outbound_discarded_total"},
		{"Packets Outbound Errors", "packets_outbound_errors_total"}, {"Packets Received Discarded", "packets_received_discarded_total"},
		{"Packets Received Errors", "packets_received_errors_total"}, {"Packets Received/sec", "packets_received_total"},
		{"Packets Received Unknown", "packets_received_unknown_total"}, {"Packets/sec", "packets_total"}, {"Packets Sent/sec", "packets_sent_total"},
	} {
		out = append(out, perfCounter{counter: c[0], metric: "windows_net_" + c[1]})
	}
	return append(out, perfCounter{counter: "Current Bandwidth", metric: "windows_net_current_bandwidth_bytes", scale: bit})
}

func systemCounters() []perfCounter {
	return []perfCounter{
		{counter: "Context Switches/sec", metric: "windows_system_context_switches_total"},
		{counter: "Exception Dispatches/sec", metric: "windows_system_exception_dispatches_total"},
		{counter: "Processor Queue Length", metric: "windows_system_processor_queue_length"},
		{counter: "System Calls/sec", metric: "windows_system_system_calls_total"},
		{counter: "System Up Time", metric: "windows_system_boot_time_timestamp_seconds", since: true},
		{counter: "Processes", metric: "windows_system_processes"},
		{counter: "Threads", metric: "windows_system_threads"},
	}
}

func tcpCounters() (out []perfCounter) {
	for _, c := range [...][2]string{
		{"Connection Failures", "connection_failures_total"}, {"Connections Active", "connections_active_total"},
		{"Connections Established", "connections_established"}, {"Connections Passive", "connections_passive_total"},
		{"Connections Reset", "connections_reset_total"}, {"Segments/sec", "segments_total"}, {"Segments Received/sec", "segments_received_total"},
		{"Segments Retransmitted/sec", "segments_retransmitted_total"}, {"Segments Sent/sec", "segments_sent_total"},
	} {
		out = append(out, perfCounter{counter: c[0], metric: "windows_tcp_" + c[1]})
	}
	return out
}
