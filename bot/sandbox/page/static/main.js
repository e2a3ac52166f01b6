/** Starts the page. */

import { startChats } from "./chats.js";
import { sendExample, startComposer } from "./composer.js";
import { startConversation } from "./conversation.js";
import { startPanel } from "./panel.js";
import { startSettings } from "./settings.js";
import { startToasts } from "./toasts.js";
import { connect } from "./wire.js";

startSettings();
startToasts();
startComposer();
startConversation(sendExample);
startChats();
startPanel();
connect();
