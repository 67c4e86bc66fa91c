import { once } from 'node:events';
import { badRequest } from '../errors.ts';
import { goJson } from '../go.ts';
import { JSON_STREAM, type Answer, type Call, type Route } from '../http.ts';
import type { LogLine } from '../state.ts';
import { assertOnApp, findApp, type World } from '../world.ts';

export function logRoutes(world: World): Route[] {
  return [{ method: 'GET', path: '/apps/:app/log', answer: (call) => appLog(world, call) }];
}

/** The last lines as one JSON list; when followed, a list of its own for each line to come. */
function appLog(world: World, call: Call): Answer {
  const lines = call.query.get('lines') ?? '';
  if (lines === '') throw badRequest('Parameter "lines" is mandatory.');
  if (!/^-?\d+$/.test(lines)) throw badRequest('Parameter "lines" must be an integer.');
  const app = findApp(world, call);
  assertOnApp(call, 'app.read.log', app);
  const log = world.logs(app.name);
  const isWanted = filterOf(call.query);
  return {
    contentType: JSON_STREAM,
    run: async (output) => {
      output.write(goJson(log.last(Number(lines), isWanted).map((line) => lineJson(app.name, line))));
      if (!['1', 'true'].includes(call.query.get('follow') ?? '')) return;
      const unfollow = log.follow((line) => {
        if (isWanted(line)) output.write(goJson([lineJson(app.name, line)]));
      });
      await aborted(call.over);
      unfollow();
    },
  };
}

function filterOf(query: URLSearchParams): (line: LogLine) => boolean {
  const source = query.get('source') ?? '';
  const inverted = query.get('invert-source') === 'true';
  const units = query.getAll('unit');
  return (line) =>
    (source === '' || (line.source === source) !== inverted) && (units.length === 0 || units.includes(line.unit));
}

function lineJson(app: string, { date, message, source, unit }: LogLine): Record<string, unknown> {
  return { Date: date.toISOString(), Message: message, Source: source, Name: app, Type: '', Unit: unit };
}

async function aborted(signal: AbortSignal): Promise<void> {
  if (!signal.aborted) await once(signal, 'abort');
}
