package enterprise

import (
	"context"
	"database/sql"
	"errors"
	"net"
	"net/url"
	"strconv"
	"syscall"

	mssql "github.com/microsoft/go-mssqldb"
	goora "github.com/sijms/go-ora/v2"
	"github.com/sijms/go-ora/v2/network"
)

// open makes a handle by the maker's protocol; it connects at the first query.
func open(l Login) (*sql.DB, error) {
	if l.Kind == oracle {
		options := map[string]string{"CONNECTION TIMEOUT": "5", "PROGRAM": "faultline"}
		if l.TLS != "disable" {
			options["SSL"], options["SSL VERIFY"] = "enable", strconv.FormatBool(l.TLS == "verify-full")
		}
		return sql.OpenDB(goora.NewConnector(goora.BuildUrl(l.Host, l.Port, l.Service, l.User, string(l.Password), options))), nil
	}
	q := url.Values{"database": {l.Service}, "app name": {"faultline"}, "dial timeout": {"5"}, "ApplicationIntent": {"ReadOnly"}}
	switch l.TLS {
	case "disable":
		q.Set("encrypt", "disable")
	default:
		q.Set("encrypt", "true")
		q.Set("TrustServerCertificate", strconv.FormatBool(l.TLS != "verify-full"))
	}
	u := url.URL{Scheme: "sqlserver", User: url.UserPassword(l.User, string(l.Password)), Host: net.JoinHostPort(l.Host, strconv.Itoa(l.Port)), RawQuery: q.Encode()}
	c, err := mssql.NewConnector(u.String())
	if err != nil {
		return nil, errors.New("the address or the user cannot be used") // the error might quote the password
	}
	return sql.OpenDB(c), nil
}

// codes are what servers' errors mean, in the words of the input database.
var codes = map[string]map[int]string{
	oracle: {1017: "password", 28000: "refused", 28001: "password", 1045: "refused", 1031: "refused", 12514: "database_missing", 12505: "database_missing", 18: "too_many_connections",
		20: "too_many_connections", 12516: "too_many_connections", 12519: "too_many_connections", 12520: "too_many_connections", 1033: "starting", 1034: "stopping", 1089: "stopping", 1090: "stopping", 27101: "stopping", 12541: "port_closed"},
	sqlServer: {18456: "password", 18452: "refused", 18486: "refused", 18487: "password", 18488: "password", 4060: "database_missing", 17809: "too_many_connections", 17830: "tls", 18401: "starting", 6005: "stopping", 17148: "stopping", 916: "refused", 229: "refused", 300: "refused"},
}

// serving are the reasons that only a working server gives.
var serving = map[string]bool{"password": true, "refused": true, "database_missing": true}

// reasonOf says in one word why a database does not answer.
func reasonOf(kind string, err error) string {
	code := 0
	var ora *network.OracleError
	var ms mssql.Error
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &ora):
		code = ora.ErrCode
	case errors.As(err, &ms):
		code = int(ms.Number)
	}
	if r := codes[kind][code]; r != "" {
		return r
	}
	switch {
	case code != 0:
		return "query"
	case errors.As(err, &dns):
		return "unresolved"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "port_closed"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "unreachable"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	}
	return "other"
}
