// The client of tests/servers/foreign_program.py that is made with go-ldap.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"strconv"
	"sync"

	"github.com/go-ldap/ldap/v3"
)

type reply map[string]interface{}

var connection *ldap.Conn

func main() {
	commands := bufio.NewScanner(os.Stdin)
	commands.Buffer(nil, 1<<24)
	answers := json.NewEncoder(os.Stdout)
	for commands.Scan() {
		command, err := url.ParseQuery(commands.Text())
		if err != nil {
			panic(err)
		}
		if err := answers.Encode(answer(command)); err != nil {
			panic(err)
		}
	}
}

func answer(command url.Values) reply {
	switch command.Get("do") {
	case "open":
		return ended(open(command))
	case "bind":
		return ended(connection.Bind(command.Get("name"), command.Get("password")))
	case "search":
		return search(command)
	case "searches":
		return searches(command)
	case "delete":
		return ended(connection.Del(ldap.NewDelRequest(command.Get("dn"), nil)))
	case "unbind":
		// Close sends it in older releases, Unbind in all of them.
		return ended(connection.Unbind())
	}
	panic("unknown: " + command.Get("do"))
}

func open(command url.Values) error {
	if connection != nil {
		connection.Close()
	}
	pem, err := os.ReadFile(command.Get("ca"))
	if err != nil {
		return err
	}
	authorities := x509.NewCertPool()
	authorities.AppendCertsFromPEM(pem)
	address, err := url.Parse(command.Get("url"))
	if err != nil {
		return err
	}
	config := &tls.Config{RootCAs: authorities, ServerName: address.Hostname()}
	connection, err = ldap.DialURL(command.Get("url"), ldap.DialWithTLSConfig(config))
	if err == nil && command.Get("starttls") != "" {
		err = connection.StartTLS(config)
	}
	return err
}

func ended(err error) reply {
	var result *ldap.Error
	switch {
	case err == nil:
		return reply{"code": 0, "message": ""}
	case errors.As(err, &result) && result.ResultCode < ldap.ErrorNetwork:
		return reply{"code": result.ResultCode, "message": result.Err.Error()}
	}
	return reply{"error": err.Error()}
}

func request(command url.Values, filter string) *ldap.SearchRequest {
	number := func(name string, otherwise int) int {
		if command.Get(name) == "" {
			return otherwise
		}
		found, err := strconv.Atoi(command.Get(name))
		if err != nil {
			panic(err)
		}
		return found
	}
	var controls []ldap.Control
	if oid := command.Get("control"); oid != "" {
		controls = append(controls, ldap.NewControlString(oid, command.Get("critical") != "", ""))
	}
	return ldap.NewSearchRequest(
		command.Get("base"), number("scope", ldap.ScopeWholeSubtree), number("deref", ldap.NeverDerefAliases),
		number("size", 0), number("time", 0), command.Get("types") != "", filter, command["attribute"], controls)
}

func search(command url.Values) reply {
	asked := request(command, command.Get("filter"))
	var found *ldap.SearchResult
	var err error
	if page := command.Get("page"); page != "" {
		size, _ := strconv.Atoi(page)
		found, err = connection.SearchWithPaging(asked, uint32(size))
	} else {
		found, err = connection.Search(asked)
	}
	said := ended(err)
	entries, references := []reply{}, []string{}
	if found != nil {
		references = append(references, found.Referrals...)
		for _, entry := range found.Entries {
			values := map[string][][]byte{}
			for _, attribute := range entry.Attributes {
				// Not nil, which JSON has another word for.
				values[attribute.Name] = append([][]byte{}, attribute.ByteValues...)
			}
			entries = append(entries, reply{"dn": entry.DN, "attributes": values})
		}
	}
	said["entries"], said["references"] = entries, references
	return said
}

func searches(command url.Values) reply {
	filters := command["filter"]
	results := make([]reply, len(filters))
	var running sync.WaitGroup
	for number, filter := range filters {
		running.Add(1)
		go func(number int, filter string) {
			defer running.Done()
			found, err := connection.Search(request(command, filter))
			results[number] = ended(err)
			names := []string{}
			if err == nil {
				for _, entry := range found.Entries {
					names = append(names, entry.DN)
				}
			}
			results[number]["names"] = names
		}(number, filter)
	}
	running.Wait()
	return reply{"results": results}
}
