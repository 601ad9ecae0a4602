// One message as Slack shows it: its blocks, then each attachment beside the bar of its colour.
import { createRoot } from "react-dom/client";
import { Message } from "slack-blocks-to-jsx";
import "slack-blocks-to-jsx/dist/style.css";

const { payload, theme, time } = window.shown;
const look = { theme, name: "mailcheck", data: { users: [], channels: [], user_groups: [] } };
const logo = `data:image/svg+xml,${encodeURIComponent(
  '<svg xmlns="http://www.w3.org/2000/svg" width="36" height="36"><rect width="36" height="36" rx="8" fill="#1f3d36"/>' +
    '<path d="M8 12h20v13H8z M8 12l10 8 10-8" fill="none" stroke="#fff" stroke-width="2"/></svg>',
)}`;

createRoot(document.getElementById("root")).render(
  <>
    <Message {...look} logo={logo} time={new Date(time)} blocks={payload.blocks ?? []} />
    {(payload.attachments ?? []).map(({ color, blocks }, index) => (
      <div key={index} className="bar" style={{ borderLeftColor: color }}>
        <Message {...look} logo={logo} blocks={blocks} withoutWrapper />
      </div>
    ))}
  </>,
);
