// A web app with metrics for Prometheus. README.md beside it says how to deploy it.
import { createServer } from 'node:http';
import { collectDefaultMetrics, Histogram, register } from 'prom-client';

collectDefaultMetrics();
// Rate, errors and duration in one: its _count counts the requests. Labels have few values, so never put a URL or an id into one.
const durations = new Histogram({
  name: 'http_request_duration_seconds',
  help: 'Duration of requests.',
  labelNames: ['handler', 'code'],
});
const pages = new Map([
  ['/', () => 'Hello from Tsuru\n'],
  ['/healthz', () => 'WORKING\n'],
  ['/metrics', () => register.metrics()],
]);

const server = createServer(async (request, response) => {
  const [path] = request.url.split('?');
  const page = pages.get(path);
  const end = durations.startTimer({ handler: page ? path : 'not_found' });
  response.on('finish', () => end({ code: response.statusCode }));
  const contentType = path === '/metrics' ? register.contentType : 'text/plain';
  response.writeHead(page ? 200 : 404, { 'content-type': contentType });
  response.end(page ? await page() : 'There is no such page.\n');
});
const { HOST, PORT = 8888 } = process.env;
server.listen(PORT, HOST, () => console.log(`Listening on port ${server.address().port}`));
process.once('SIGTERM', () => server.close());
