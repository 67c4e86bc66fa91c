// Targets with as many series as asked for, in a program of its own, so that its work is told from Prometheus'. /N/metrics is target N;
// POST /N?series=M has it expose M series from now on.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { parseArgs } from 'node:util';
import { createPage } from './page.ts';

const { values } = parseArgs({ options: { targets: { type: 'string' }, series: { type: 'string' } } });
const targets = Array.from({ length: Number(values.targets) }, (_, index) => ({
  page: createPage(index + 1),
  series: Number(values.series),
}));

const server = createServer((request, response) => {
  const url = new URL(request.url ?? '/', 'http://load');
  const target = targets[Number(url.pathname.split('/')[1])];
  request.resume();
  if (target === undefined) response.writeHead(404).end();
  else if (request.method === 'POST') {
    target.series = Number(url.searchParams.get('series'));
    response.end();
  } else response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(target.page(target.series));
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
const address = server.address();
process.stdout.write(`${JSON.stringify({ port: typeof address === 'object' ? address?.port : 0 })}\n`);
