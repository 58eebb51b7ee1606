/**
 * One URL, and what must come of it. `{plain}` is the port of a Redis without a password, `{pass}` of one with one,
 * `{tls}` of one with TLS (a private authority, its certificate for `localhost` alone), `{mtls}` of one that wants a client
 * certificate, `{cluster}` hosts of a cluster and `{node}` the port of one of its nodes, `{sentinel}` that of a sentinel
 * with a password, `{open}` that of one without, `{other}` that of a web server; `{dir}` is the directory of socket and
 * certificates.
 */
export interface RedisUrlCase {
  readonly url: string;
  /** `connects`; `url`: refused as it is read (exit 2); `refused`: it answers and is not fit (exit 4); `away`: it may be otherwise soon. */
  readonly comes: 'connects' | 'url' | 'refused' | 'away';
  /** Some of what it is connected to. */
  readonly to?: { readonly user?: string; readonly db?: string; readonly at?: string };
  /** Part of the sentence that is told. */
  readonly says?: string;
  /** Part of the warning; undefined: there is none. */
  readonly warns?: string;
  /** The URL that redis-py gets, where it doesn't know the dialect; `none`: it has no URL for that. */
  readonly py?: string;
  /** Why redis-py comes to something else. */
  readonly differs?: string;
}

type More = Partial<RedisUrlCase>;
const connects = (url: string, to: RedisUrlCase['to'] = {}, more: More = {}): RedisUrlCase => ({
  url,
  comes: 'connects',
  to,
  ...more,
});
const fails = (comes: RedisUrlCase['comes'], url: string, says: string, more: More = {}): RedisUrlCase => ({
  url,
  comes,
  says,
  ...more,
});

const CA = 'ssl_ca_certs={dir}/ca.crt';
const CLIENT = 'ssl_certfile={dir}/client.crt&ssl_keyfile={dir}/client.key';
const SOCKET = '{dir}/redis.sock';
const AT = 'localhost:{plain}';
const NO_URL = { py: 'none' };

export const REDIS_URLS: readonly RedisUrlCase[] = [
  // As redis-py, valkey-py, django-redis, django-environ and Celery write it.
  connects(`redis://${AT}`, { user: 'default', db: '0' }),
  connects(`redis://${AT}/2`, { db: '2' }),
  connects(`redis://${AT}/2/`, { db: '2' }),
  connects(`redis://${AT}?db=3`, { db: '3' }),
  connects(`redis://${AT}/2?db=3`, { db: '3' }),
  connects(`redis://${AT}/`, { db: '0' }),
  connects('redis://127.0.0.1:{plain}/1', { db: '1' }),
  connects(`REDIS://${AT}/1`, { db: '1' }),
  connects('redis://:{plain}/1', { db: '1' }),
  connects(`valkey://${AT}/4`, { db: '4' }, { py: `redis://${AT}/4` }),
  connects(`rediscache://${AT}/4?client_class=django_redis.client.DefaultClient`, { db: '4' }, { py: `redis://${AT}/4` }),
  connects(`  "redis://${AT}/5" `, { db: '5' }, { py: `redis://${AT}/5` }),
  connects(`'redis://${AT}/5'`, { db: '5' }, { py: `redis://${AT}/5` }),
  connects(`redis://${AT}/1?socket_timeout=5&max_connections=20&health_check_interval=30`, { db: '1' }),
  connects(`redis://${AT}/1?timeout=300&key_prefix=site`, { db: '1' }, { py: `redis://${AT}/1` }),
  connects(`redis://${AT}/1?colour=red`, { db: '1' }, {
    warns: 'its parameter colour is not known here, and has no effect',
    differs: 'redis-py fails on a name that it does not know',
  }),
  connects(`redis://${AT}/1#replica`, { db: '1' }, { warns: 'what follows # in it has no effect' }),
  // User and password.
  connects(`redis://app:{password}@${AT}/2`, { user: 'app', db: '2' }),
  connects(`redis://app:{raw}@${AT}`, { user: 'app' }),
  connects(`redis://${AT}?username=app&password={password}`, { user: 'app' }),
  connects('redis://:secret@localhost:{pass}/1', { user: 'default', db: '1' }),
  connects('redis://default:secret@localhost:{pass}', { user: 'default' }),
  connects('redis://localhost:{pass}?password=secret', { user: 'default' }),
  connects('redis://percent:50%off@localhost:{pass}', { user: 'percent' }),
  fails('refused', 'redis://:wrong@localhost:{pass}', 'Correct the user and the password'),
  fails('refused', 'redis://localhost:{pass}', 'It asks for a password'),
  fails('refused', 'redis://nobody@localhost:{pass}', 'Redis refuses AUTH'),
  fails('refused', `redis://:any@${AT}`, 'asks for no password'),
  fails('url', 'redis://:p%ff@localhost:{pass}', 'its password has %XX that are not UTF-8'),
  fails('url', 'redis://u%ff:secret@localhost:{pass}', 'its user name has %XX that are not UTF-8'),
  fails('url', 'redis://:hunter/2@localhost:{pass}', 'a special character: write / as %2F'),
  fails('url', 'redis://:hunter#2@localhost:{pass}', 'a special character'),
  fails('url', 'redis://:hunter?2@localhost:{pass}', 'a special character'),
  // Rights.
  fails('refused', `redis://partly:secret@${AT}`, 'ACL SETUSER partly +xautoclaim', { differs: 'it asks for nothing yet' }),
  fails('refused', `redis://elsewhere:secret@${AT}`, 'ACL SETUSER elsewhere ~carelink_tokens:*', {
    differs: 'it asks for nothing yet',
  }),
  fails('refused', `redis://mute:secret@${AT}`, 'ACL SETUSER mute +evalsha', { differs: 'it asks for nothing yet' }),
  fails('refused', `redis://blind:secret@${AT}`, 'ACL SETUSER blind +info', { differs: 'it asks for nothing yet' }),
  // Databases.
  fails('refused', `redis://${AT}/16`, 'the number of a database that exists'),
  fails('url', `redis://${AT}/site`, 'its database is no number', { differs: 'redis-py takes database 0' }),
  fails('url', `redis://${AT}?db=site`, 'its database is no number'),
  fails('url', `redis://${AT}/1/2`, 'its path has too many parts', { differs: 'redis-py takes database 12' }),
  // TLS.
  connects(`rediss://localhost:{tls}/1?${CA}`, { db: '1', at: '127.0.0.1:{tls}' }),
  connects(`rediss://localhost:{tls}?ssl_cert_reqs=required&${CA}`, { at: '127.0.0.1:{tls}' }),
  connects(`rediss://localhost:{tls}?ssl_cert_reqs=optional&${CA}`, { at: '127.0.0.1:{tls}' }),
  connects(`rediss://localhost:{tls}?ssl_cert_reqs=none`, { at: '127.0.0.1:{tls}' }, { warns: 'verifies no certificate' }),
  connects(`rediss://localhost:{tls}?ssl_cert_reqs=CERT_NONE`, { at: '127.0.0.1:{tls}' }, {
    warns: 'verifies no certificate',
    py: 'rediss://localhost:{tls}?ssl_cert_reqs=none',
  }),
  connects(`valkeys://localhost:{tls}?${CA}`, { at: '127.0.0.1:{tls}' }, { py: `rediss://localhost:{tls}?${CA}` }),
  connects(`rediss://localhost:{tls}?ssl_ca_path={dir}/authorities`, { at: '127.0.0.1:{tls}' }),
  connects(`rediss://localhost:{tls}?${CA}&ssl_check_hostname=true`, { at: '127.0.0.1:{tls}' }),
  connects(`rediss://127.0.0.1:{tls}?${CA}&ssl_check_hostname=false`, { at: '127.0.0.1:{tls}' }),
  fails('refused', `rediss://127.0.0.1:{tls}?${CA}`, 'for another name than 127.0.0.1', {
    differs: 'redis-py looks at the name from version 6 on',
  }),
  fails('refused', 'rediss://localhost:{tls}', 'Give the certificate of its authority with ssl_ca_certs=FILE'),
  fails('refused', 'rediss://localhost:{tls}?ssl_ca_certs={dir}/other-ca.crt', 'not trusted here'),
  fails('url', 'rediss://localhost:{tls}?ssl_ca_certs={dir}/none.crt', '{dir}/none.crt does not exist'),
  fails('url', 'rediss://localhost:{tls}?ssl_ca_certs={dir}/client.key', 'its ssl_ca_certs is no certificate'),
  fails('url', 'rediss://localhost:{tls}?ssl_cert_reqs=maybe', 'give one of none, optional, required'),
  fails('url', `redis://${AT}?ssl=true`, 'write rediss:// instead of redis://'),
  fails('url', 'rediss://localhost:{tls}?ssl_validate_ocsp=true', "ssl_validate_ocsp can't be kept"),
  connects(`redis://${AT}?ssl_cert_reqs=none`, {}, {
    warns: 'has no effect without TLS',
    differs: 'redis-py knows it with TLS alone',
  }),
  fails('refused', 'redis://localhost:{tls}', 'it speaks TLS at this port: write rediss://'),
  fails('refused', `rediss://${AT}?ssl_cert_reqs=none`, 'it does not speak TLS at this port', {
    warns: 'verifies no certificate',
  }),
  connects(`rediss://localhost:{mtls}?${CA}&${CLIENT}`, { at: '127.0.0.1:{mtls}' }),
  connects(`rediss://localhost:{mtls}?${CA}&ssl_certfile={dir}/client.pem`, { at: '127.0.0.1:{mtls}' }),
  connects(
    `rediss://localhost:{mtls}?${CA}&ssl_certfile={dir}/client.crt&ssl_keyfile={dir}/client-locked.key&ssl_password=opensesame`,
    { at: '127.0.0.1:{mtls}' },
  ),
  fails('url', `rediss://localhost:{mtls}?${CA}&ssl_certfile={dir}/client.crt&ssl_keyfile={dir}/client-locked.key`, 'are no pair'),
  fails('url', `rediss://localhost:{mtls}?${CA}&ssl_certfile={dir}/client.crt&ssl_keyfile={dir}/server.key`, 'are no pair'),
  fails('url', `rediss://localhost:{mtls}?${CA}&ssl_keyfile={dir}/client.key`, 'ssl_keyfile and no ssl_certfile'),
  fails('refused', `rediss://localhost:{mtls}?${CA}`, 'ssl_certfile=FILE and ssl_keyfile=FILE'),
  // Sockets.
  connects(`unix://${SOCKET}`, { user: 'default', at: `${SOCKET}:0` }),
  connects(`unix://${SOCKET}?db=6`, { db: '6', at: `${SOCKET}:0` }),
  connects(`unix://app:{password}@${SOCKET}?db=6`, { user: 'app', db: '6' }),
  connects(`redis+socket://${SOCKET}?virtual_host=7`, { db: '7', at: `${SOCKET}:0` }, { py: `unix://${SOCKET}?db=7` }),
  connects(`redis+socket://:any@${SOCKET}?db=7&username=app&password={password}`, {}, {
    comes: 'refused',
    says: 'Redis refuses AUTH',
    py: `unix://app:any@${SOCKET}?db=7`,
  }),
  connects(`redis://${SOCKET}`, { at: `${SOCKET}:0` }, { py: `unix://${SOCKET}` }),
  fails('away', 'unix://{dir}/none.sock', 'There is no such socket'),
  fails('url', 'unix://redis.sock', 'with three slashes'),
  // Several nodes.
  connects('redis+cluster://{cluster}', {}, { py: 'redis://localhost:{node}' }),
  connects('redis+cluster://localhost:{node}/0', {}, { py: 'redis://localhost:{node}' }),
  connects('redis+cluster://app:{password}@localhost:{node}', {}, { py: 'redis://app:{password}@localhost:{node}' }),
  connects('valkey+cluster://localhost:{node}', {}, { py: 'redis://localhost:{node}' }),
  fails('refused', 'redis+cluster://app:wrong@localhost:{node}', 'Redis refuses AUTH', {
    py: 'redis://app:wrong@localhost:{node}',
  }),
  fails('url', 'redis+cluster://localhost:{node}/1', 'a cluster has only database 0', NO_URL),
  fails('url', 'redis+cluster://h1,,h2', 'one of its hosts is empty', NO_URL),
  fails('refused', `redis+cluster://${AT}`, 'it is no cluster: write redis://', NO_URL),
  fails('refused', 'redis://localhost:{node}', 'it is a node of a cluster: write redis+cluster://', {
    differs: 'it takes the node for a Redis alone until a key is elsewhere',
  }),
  fails('refused', 'redis://localhost:{node}/1', 'which has only database 0: write redis+cluster://'),
  fails('url', 'redis://h1,h2/0', 'it names several hosts', NO_URL),
  connects('redis+sentinel://:secret@localhost:{open}/tokens', { user: 'default', at: '127.0.0.1:{master}' }, NO_URL),
  connects('redis+sentinel://:secret@localhost:{open}/tokens/3', { db: '3' }, NO_URL),
  connects('redis+sentinel://:secret@localhost:{open}/tokens?db=3', { db: '3' }, NO_URL),
  connects('redis+sentinel://:secret@localhost:{open}/3?service_name=tokens', { db: '3' }, NO_URL),
  connects('redis+sentinel://:secret@localhost:{sentinel}/tokens?sentinel_password=watch', { user: 'default' }, NO_URL),
  connects(
    'valkey+sentinel://:secret@localhost:1,localhost:{sentinel}/tokens?sentinel_username=watcher&sentinel_password=watch2',
    { at: '127.0.0.1:{master}' },
    NO_URL,
  ),
  fails('refused', 'redis+sentinel://:secret@localhost:{sentinel}/tokens', 'sentinel_password=', NO_URL),
  fails('refused', 'redis+sentinel://:secret@localhost:{sentinel}/tokens?sentinel_password=wrong', 'sentinel_password=', NO_URL),
  fails('refused', 'redis+sentinel://:wrong@localhost:{open}/tokens', 'Redis refuses AUTH', NO_URL),
  fails('refused', 'redis+sentinel://:secret@localhost:{open}/mine', 'know no master called mine', NO_URL),
  fails('refused', `redis+sentinel://${AT}/tokens`, 'is no sentinel', NO_URL),
  fails('refused', 'redis://localhost:{open}', 'it is a sentinel: write redis+sentinel://', {
    differs: 'it asks for nothing yet',
  }),
  fails('url', 'redis+sentinel://localhost:{open}', 'it names no master', NO_URL),
  fails('url', 'sentinel://localhost:{open};sentinel://localhost:{open}', 'it names no master', NO_URL),
  // Nobody, or something else.
  fails('away', 'redis://localhost:1', 'ECONNREFUSED'),
  fails('away', 'redis://no-such-host.invalid', 'does not know the host name'),
  fails('refused', 'redis://localhost:{other}', 'what answers there is no Redis'),
  fails('url', 'redis://localhost:99999', 'its port is no number'),
  fails('url', 'redis://localhost:six', 'its port is no number'),
  fails('url', 'redis://::1:6379', 'an IPv6 address goes in brackets'),
  fails('url', 'localhost:{plain}', 'takes a URL such as'),
  fails('url', 'http://localhost:{plain}', 'takes a URL such as'),
]; // prettier-ignore
