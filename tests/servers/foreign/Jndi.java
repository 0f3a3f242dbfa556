import java.io.*;
import java.net.URLDecoder;
import java.nio.charset.StandardCharsets;
import java.nio.file.*;
import java.security.KeyStore;
import java.security.cert.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.regex.*;
import javax.naming.*;
import javax.naming.directory.*;
import javax.naming.ldap.*;
import javax.net.ssl.*;

/** The client of tests/servers/foreign_program.py that is made with JNDI, the LDAP client of the JDK. */
public class Jndi {
    private static final Pattern RESULT = Pattern.compile("error code (\\d+) - (.*)\\]", Pattern.DOTALL);
    // JNDI gives the values of all others as texts.
    private static final String BINARY = "objectGUID thumbnailPhoto";

    private static InitialLdapContext context;

    public static void main(String[] arguments) throws Exception {
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        PrintStream answers = new PrintStream(new FileOutputStream(FileDescriptor.out), false, "UTF-8");
        for (String line; (line = commands.readLine()) != null; ) {
            StringBuilder text = new StringBuilder();
            write(answer(parse(line)), text);
            answers.println(text);
            answers.flush();
        }
    }

    private static Map<String, Object> answer(Map<String, List<String>> command) throws Exception {
        switch (one(command, "do")) {
            case "open": return ended(() -> open(command));
            case "bind": return ended(() -> bind(command));
            case "search": return search(command);
            case "searches": return searches(command);
            case "abandon": return ended(() -> abandon(command));
            case "delete": return ended(() -> context.destroySubcontext(new LdapName(one(command, "dn"))));
            case "unbind": return ended(() -> context.close());
            default: throw new IllegalArgumentException(one(command, "do"));
        }
    }

    private static void open(Map<String, List<String>> command) throws Exception {
        if (context != null) {
            context.close();
        }
        KeyStore authorities = KeyStore.getInstance(KeyStore.getDefaultType());
        authorities.load(null, null);
        try (InputStream pem = Files.newInputStream(Path.of(one(command, "ca")))) {
            authorities.setCertificateEntry("ca", CertificateFactory.getInstance("X.509").generateCertificate(pem));
        }
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(authorities);
        SSLContext tls = SSLContext.getInstance("TLS");
        tls.init(null, trust.getTrustManagers(), null);
        Factory.trusting = tls.getSocketFactory();
        Hashtable<String, String> environment = new Hashtable<>();
        environment.put(Context.INITIAL_CONTEXT_FACTORY, "com.sun.jndi.ldap.LdapCtxFactory");
        environment.put(Context.PROVIDER_URL, one(command, "url"));
        environment.put("java.naming.ldap.attributes.binary", BINARY);
        if (command.containsKey("starttls")) {
            context = new InitialLdapContext(environment, null);
            ((StartTlsResponse) context.extendedOperation(new StartTlsRequest())).negotiate(Factory.trusting);
        } else {
            if (one(command, "url").startsWith("ldaps:")) {
                environment.put("java.naming.ldap.factory.socket", Factory.class.getName());
            }
            context = new InitialLdapContext(environment, null);
        }
    }

    private static void bind(Map<String, List<String>> command) throws NamingException {
        context.addToEnvironment(Context.SECURITY_AUTHENTICATION, "simple");
        context.addToEnvironment(Context.SECURITY_PRINCIPAL, one(command, "name"));
        context.addToEnvironment(Context.SECURITY_CREDENTIALS, one(command, "password"));
        context.reconnect(null);
    }

    private static NamingEnumeration<SearchResult> begin(
            LdapContext using, Map<String, List<String>> command, String filter) throws NamingException {
        SearchControls controls = new SearchControls();
        controls.setSearchScope(Integer.parseInt(one(command, "scope", "2")));
        controls.setCountLimit(Long.parseLong(one(command, "size", "0")));
        controls.setTimeLimit(1000 * Integer.parseInt(one(command, "time", "0")));
        if (command.containsKey("attribute")) {
            controls.setReturningAttributes(command.get("attribute").toArray(new String[0]));
        }
        return using.search(new LdapName(one(command, "base")), filter, controls);
    }

    private static Map<String, Object> search(Map<String, List<String>> command) throws Exception {
        List<Object> entries = new ArrayList<>();
        List<Object> references = new ArrayList<>();
        // A context of its own on the same connection, for settings that JNDI has nowhere else.
        LdapContext using = context.newInstance(null);
        Map<String, Object> reply = ended(() -> {
            String[] dereference = {"never", "searching", "finding", "always"};
            if (command.containsKey("deref")) {
                using.addToEnvironment(
                    "java.naming.ldap.derefAliases", dereference[Integer.parseInt(one(command, "deref"))]);
            }
            using.addToEnvironment("java.naming.ldap.typesOnly", command.containsKey("types") ? "true" : "false");
            if (command.containsKey("references")) {
                using.addToEnvironment(Context.REFERRAL, "throw");
            }
            byte[] cookie = null;
            do {
                using.setRequestControls(asked(command, cookie));
                NamingEnumeration<SearchResult> found = begin(using, command, one(command, "filter"));
                try {
                    while (found.hasMore()) {
                        entries.add(entry(found.next()));
                    }
                } catch (ReferralException reference) {
                    references.add(reference.getReferralInfo());
                }
                cookie = null;
                Control[] answered = using.getResponseControls();
                for (Control control : answered == null ? new Control[0] : answered) {
                    if (control instanceof PagedResultsResponseControl) {
                        cookie = ((PagedResultsResponseControl) control).getCookie();
                    }
                }
            } while (cookie != null && cookie.length > 0);
        });
        using.close();
        reply.put("entries", entries);
        reply.put("references", references);
        return reply;
    }

    private static Control[] asked(Map<String, List<String>> command, byte[] cookie) throws IOException {
        List<Control> controls = new ArrayList<>();
        if (command.containsKey("page")) {
            controls.add(new PagedResultsControl(Integer.parseInt(one(command, "page")), cookie, Control.CRITICAL));
        }
        if (command.containsKey("control")) {
            controls.add(new BasicControl(one(command, "control"), command.containsKey("critical"), null));
        }
        return controls.toArray(new Control[0]);
    }

    private static Object entry(SearchResult found) throws NamingException {
        Map<String, Object> attributes = new TreeMap<>();
        for (Attribute attribute : Collections.list(found.getAttributes().getAll())) {
            List<Object> values = new ArrayList<>();
            for (Object value : Collections.list(attribute.getAll())) {
                byte[] octets = value instanceof byte[]
                    ? (byte[]) value : ((String) value).getBytes(StandardCharsets.UTF_8);
                values.add(Base64.getEncoder().encodeToString(octets));
            }
            attributes.put(attribute.getID(), values);
        }
        return Map.of("dn", found.getNameInNamespace(), "attributes", attributes);
    }

    private static Map<String, Object> searches(Map<String, List<String>> command) throws Exception {
        ExecutorService threads = Executors.newCachedThreadPool();
        List<Future<Map<String, Object>>> running = new ArrayList<>();
        for (String filter : command.get("filter")) {
            LdapContext using = context.newInstance(null);
            running.add(threads.submit(() -> {
                List<Object> names = new ArrayList<>();
                Map<String, Object> reply = ended(() -> {
                    for (SearchResult found : Collections.list(begin(using, command, filter))) {
                        names.add(found.getNameInNamespace());
                    }
                });
                using.close();
                reply.put("names", names);
                return reply;
            }));
        }
        List<Object> results = new ArrayList<>();
        for (Future<Map<String, Object>> each : running) {
            results.add(each.get());
        }
        threads.shutdown();
        return Map.of("results", results);
    }

    private static void abandon(Map<String, List<String>> command) throws NamingException {
        // Without a limit JNDI takes the whole answer off the connection, whether anybody wants it or not.
        LdapContext using = context.newInstance(null);
        using.addToEnvironment("com.sun.jndi.ldap.search.replyQueueSize", "2");
        NamingEnumeration<SearchResult> found = begin(using, command, one(command, "filter"));
        found.next();
        found.close();
        using.close();
    }

    private interface Step {
        void run() throws Exception;
    }

    private static Map<String, Object> ended(Step step) {
        Map<String, Object> reply = new TreeMap<>();
        try {
            step.run();
            reply.put("code", 0);
            reply.put("message", "");
        } catch (Exception problem) {
            Matcher result = RESULT.matcher(String.valueOf(problem.getMessage()));
            if (result.find()) {
                reply.put("code", Integer.parseInt(result.group(1)));
                reply.put("message", result.group(2));
            } else {
                reply.put("error", problem.toString());
            }
        }
        return reply;
    }

    private static Map<String, List<String>> parse(String line) throws Exception {
        Map<String, List<String>> command = new HashMap<>();
        for (String pair : line.split("&")) {
            String[] parts = pair.split("=", 2);
            command.computeIfAbsent(parts[0], name -> new ArrayList<>()).add(URLDecoder.decode(parts[1], "UTF-8"));
        }
        return command;
    }

    private static String one(Map<String, List<String>> command, String name) {
        return command.get(name).get(0);
    }

    private static String one(Map<String, List<String>> command, String name, String otherwise) {
        return command.containsKey(name) ? one(command, name) : otherwise;
    }

    private static void write(Object value, StringBuilder json) {
        if (value instanceof Map) {
            String between = "{";
            for (Map.Entry<?, ?> each : ((Map<?, ?>) value).entrySet()) {
                json.append(between);
                write(each.getKey(), json);
                json.append(':');
                write(each.getValue(), json);
                between = ",";
            }
            json.append(between.equals("{") ? "{}" : "}");
        } else if (value instanceof List) {
            String between = "[";
            for (Object each : (List<?>) value) {
                json.append(between);
                write(each, json);
                between = ",";
            }
            json.append(between.equals("[") ? "[]" : "]");
        } else if (value instanceof String) {
            json.append('"');
            for (char letter : ((String) value).toCharArray()) {
                if (letter < ' ' || letter > '~' || letter == '"' || letter == '\\') {
                    json.append(String.format("\\u%04x", (int) letter));
                } else {
                    json.append(letter);
                }
            }
            json.append('"');
        } else {
            json.append(value);
        }
    }

    /** What JNDI makes the sockets of ldaps: with, by its name and without arguments. */
    public static class Factory extends SSLSocketFactory {
        static SSLSocketFactory trusting;

        public static javax.net.SocketFactory getDefault() {
            return new Factory();
        }

        @Override public String[] getDefaultCipherSuites() {
            return trusting.getDefaultCipherSuites();
        }

        @Override public String[] getSupportedCipherSuites() {
            return trusting.getSupportedCipherSuites();
        }

        @Override public java.net.Socket createSocket() throws IOException {
            return trusting.createSocket();
        }

        @Override public java.net.Socket createSocket(java.net.Socket on, String host, int port, boolean close)
                throws IOException {
            return trusting.createSocket(on, host, port, close);
        }

        @Override public java.net.Socket createSocket(String host, int port) throws IOException {
            return trusting.createSocket(host, port);
        }

        @Override public java.net.Socket createSocket(
                String host, int port, java.net.InetAddress local, int from) throws IOException {
            return trusting.createSocket(host, port, local, from);
        }

        @Override public java.net.Socket createSocket(java.net.InetAddress host, int port) throws IOException {
            return trusting.createSocket(host, port);
        }

        @Override public java.net.Socket createSocket(
                java.net.InetAddress host, int port, java.net.InetAddress local, int from) throws IOException {
            return trusting.createSocket(host, port, local, from);
        }
    }
}
