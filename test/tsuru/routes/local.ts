// What only the local Tsuru has, for people who try things: faults, crashes, an outage. Administrators only.
import { badRequest, notFound } from '../errors.ts';
import { demand } from '../callers.ts';
import { parseFault, type Faults } from '../faults.ts';
import { json, OK, type Route } from '../http.ts';
import { text } from '../input.ts';
import type { State } from '../state.ts';

const FAULT_HELP =
  'a fault is JSON such as {"kind": "status", "status": 500, "path": "/apps*", "times": 3}; ' +
  'kinds: status (status), body (body), latency (ms), cut, drop, repeat, units-unknown, app-missing (app); ' +
  'with "to": "broker" it is for what Tsuru asks of services\' brokers';

export function localRoutes(state: State, faults: Faults, outage: (seconds: number) => void): Route[] {
  const route = (method: string, path: string, answer: Route['answer']): Route => ({
    method,
    path: `/local/${path}`,
    answer: (call) => {
      demand(call.caller, '');
      return answer(call);
    },
  });
  return [
    route('GET', 'faults', () => json(faults.list())),
    route('POST', 'faults', ({ body }) => {
      const fault = parseFault(body.tree);
      if (fault === undefined) throw badRequest(FAULT_HELP);
      faults.add(fault);
      return json(faults.list(), 201);
    }),
    route('DELETE', 'faults', () => {
      faults.clear();
      return OK;
    }),
    route('POST', 'units/:unit/kill', ({ params }) => {
      const units = [...state.apps.values()].flatMap((app) => [...app.units]);
      const living = units.find(({ unit }) => unit.name === params['unit']);
      if (living === undefined) throw notFound('there is no such unit');
      living.kill();
      return OK;
    }),
    route('POST', 'outage', ({ body, over }) => {
      const seconds = Number(text(body.tree, 'seconds'));
      if (!(seconds > 0)) throw badRequest('say how long: {"seconds": 10}');
      // After this answer, which would not arrive otherwise.
      over.addEventListener('abort', () => {
        outage(seconds);
      });
      return OK;
    }),
  ];
}
