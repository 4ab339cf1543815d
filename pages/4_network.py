from pages.parts import frame

frame.page("Network", "Two convolutions and two linear layers.", code=("fmnist_core.network.Net", frame.plain))
