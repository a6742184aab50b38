include $(sort $(wildcard $(BR2_EXTERNAL_LUBDUB_PATH)/*/*.mk))
