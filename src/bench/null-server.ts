/**
 * A server that does nothing, in a process of its own: what the generator can do at most is measured against it. It
 * answers as fast as node:http can, with a pair of the usual size.
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

const token = `${'h'.repeat(36)}.${'c'.repeat(190)}.${'s'.repeat(43)}`;
const body = `{"access":"${token}","refresh":"${token}"}`;
const headers = ['Content-Type', 'application/json', 'Content-Length', String(body.length)];

const server = createServer((request, response) => {
  request.resume().on('end', () => {
    response.writeHead(200, headers);
    response.end(body);
  });
});
server.listen(0, '127.0.0.1', () => {
  process.send?.((server.address() as AddressInfo).port);
});
// Whoever started it has gone.
process.on('disconnect', () => {
  server.close();
  server.closeAllConnections();
});
