import "./styles/index.css";
// Before anything else looks at the address.
import "./arrival";

import { render } from "preact";
import { App } from "./app";
import { startTabs } from "./auth";
import { startTheme } from "./theme";

startTheme();
void startTabs().then(() => render(<App />, document.getElementById("app") ?? document.body));
