// Units that answer /metrics at the addresses of the stub's units, in a program of its own, so that their work is told from the agent's.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { createPage } from '../budget/load/page.ts';
import { addressOf } from './stub/apps.ts';

/** Tsuru's default port. */
const PORT = 8888;

const { values } = parseArgs({ options: { units: { type: 'string' }, series: { type: 'string' } } });
const series = Number(values.series);
for (let number = 1; number <= Number(values.units); number += 1) {
  const page = createPage(number);
  const server = createServer((request, response) => {
    request.resume();
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(page(series));
  });
  server.listen(PORT, addressOf(number));
  await once(server, 'listening');
}
process.stdout.write('ready\n');
