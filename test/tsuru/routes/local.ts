// What only the local Tsuru has, for people who try things: faults, crashes, evictions, an outage. Administrators only.
import { badRequest, notFound } from '../errors.ts';
import { demand } from '../callers.ts';
import { parseFault, type Faults } from '../faults.ts';
import { OK, sortedJson, type Route } from '../http.ts';
import { text } from '../input.ts';
import type { Provisioner } from '../provisioner.ts';
import type { App, State } from '../state.ts';
import type { LivingUnit } from '../units.ts';

const FAULT_HELP =
  'a fault is JSON such as {"kind": "status", "status": 500, "path": "/apps*", "times": 3}; ' +
  'kinds: status (status), body (body), latency (ms), cut, drop, repeat, units-unknown, app-missing (app); ' +
  'with "to": "broker" it is for what Tsuru asks of services\' brokers';

export function localRoutes(
  state: State,
  provisioner: Provisioner,
  faults: Faults,
  outage: (seconds: number) => void,
): Route[] {
  const route = (method: string, path: string, answer: Route['answer']): Route => ({
    method,
    path: `/local/${path}`,
    answer: (call) => {
      demand(call.caller, '');
      return answer(call);
    },
  });
  const find = (name: string | undefined): { readonly app: App; readonly living: LivingUnit } => {
    const units = [...state.apps.values()].flatMap((app) => [...app.units].map((living) => ({ app, living })));
    const found = units.find(({ living }) => living.unit.name === name);
    if (found === undefined) throw notFound('there is no such unit');
    return found;
  };
  return [
    route('GET', 'faults', () => sortedJson(faults.list())),
    route('POST', 'faults', ({ body }) => {
      const fault = parseFault(body.tree);
      if (fault === undefined) throw badRequest(FAULT_HELP);
      faults.add(fault);
      return sortedJson(faults.list(), 201);
    }),
    route('DELETE', 'faults', () => {
      faults.clear();
      return OK;
    }),
    route('POST', 'units/:unit/kill', ({ params }) => {
      find(params['unit']).living.kill();
      return OK;
    }),
    route('POST', 'units/:unit/evict', ({ params }) => {
      const { app, living } = find(params['unit']);
      void provisioner.evict(app, living);
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
