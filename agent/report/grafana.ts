import { renderDashboardProvider, renderDatasource, type Datasource } from '../shared/grafana.ts';
import type { Page, Pages } from './server.ts';

export interface GrafanaOptions {
  /** This instance, without its password: a page that is saved somewhere must not hold it. */
  readonly datasource: () => Omit<Datasource, 'password'>;
  /** What Tsuru calls it; undefined until that is known. */
  readonly names: () => { readonly service: string; readonly instance: string } | undefined;
  /** The text of a dashboard. */
  readonly dashboard: (name: 'app' | 'instance') => Promise<string>;
}

/** The files by which a Grafana finds this instance and gets the dashboards. */
export function createGrafanaPages({ datasource, names, dashboard }: GrafanaOptions): Pages {
  function showsPassword(): string {
    const known = names();
    return ['tsuru service-instance-info', ...(known === undefined ? [] : [known.service, known.instance])].join(' ');
  }

  return {
    'GET /tsuru/grafana/datasource.yaml': () => Promise.resolve(yaml(renderDatasource(datasource(), showsPassword()))),
    'GET /tsuru/grafana/dashboards.yaml': () => Promise.resolve(yaml(renderDashboardProvider())),
    'GET /tsuru/grafana/app.json': async () => dashboardPage(await dashboard('app')),
    'GET /tsuru/grafana/instance.json': async () => dashboardPage(await dashboard('instance')),
  };
}

function yaml(body: string): Page {
  return { status: 200, type: 'application/yaml; charset=utf-8', body };
}

function dashboardPage(body: string): Page {
  return { status: 200, type: 'application/json; charset=utf-8', body };
}
